//! The datapath outlives its controller, and the next one takes it over.

use std::io::ErrorKind;

use lb_tests::Error;
use lb_tests::tcp::{Connection, connect, pattern};
use nix::sys::signal::Signal;

use crate::bench::{Bench, SOON, end, numbers, order};
use crate::pool_file::{LEAST_CONNECTIONS, ROUND_ROBIN};
use crate::traces::{assert_none, attachments};

fn all_alive(held: &mut [Connection]) {
    for connection in held {
        connection.exchange(&pattern(5_000)).unwrap();
    }
}

/// A new controller finds the pool in service, takes it over and ends it.
fn adopt_and_end(bench: &Bench, mut held: Vec<Connection>) {
    let before = bench.status();
    let attached = attachments(&bench.net);
    assert_eq!(attached.len(), 1);
    let mut run = bench.run();
    assert_eq!(attachments(&bench.net).len(), 1, "still one program on the device");
    let after = bench.status();
    // Not the packets: a delayed acknowledgement may pass in between.
    for field in ["connections", "bytes_in", "bytes_out"] {
        assert_eq!(after[field], before[field], "{field}");
    }
    for field in ["total_connections", "bytes_in", "bytes_out"] {
        assert_eq!(numbers(&after, field), numbers(&before, field), "{field}");
    }
    all_alive(&mut held);
    held.extend(bench.hold(2));
    assert_eq!(bench.members("active_connections"), [held.len() as u64 / 2; 2]);
    all_alive(&mut held);
    drop(held);
    bench.wait_idle();
    end(&mut run);
    assert_none(&bench.net);
}

#[test]
fn keep_leaves_a_datapath_that_needs_no_controller() {
    let bench = Bench::new(LEAST_CONNECTIONS, &[1, 1]);
    let mut run = bench.run_with(&["--keep"]).unwrap();
    let mut held = bench.hold(20);
    end(&mut run);
    all_alive(&mut held);
    held.extend(bench.hold(10));
    assert_eq!(bench.members("active_connections"), [15, 15]);
    assert_eq!(bench.conns().len(), 30);

    bench.member("drain", &["m1"]);
    let mut drained = bench.hold(4);
    assert_eq!(order(&drained), "m2 m2 m2 m2");
    bench.member("set", &["m1", "--weight", "1"]);
    drained.extend(bench.hold(4));
    assert_eq!(order(&drained[4..]), "m1 m1 m1 m1");
    held.append(&mut drained);
    adopt_and_end(&bench, held);
}

#[test]
fn a_killed_controller_breaks_nothing() {
    let bench = Bench::new(LEAST_CONNECTIONS, &[1, 1]);
    let mut run = bench.run();
    let mut held = bench.hold(20);
    run.stop(Signal::SIGKILL, SOON).unwrap();
    all_alive(&mut held);
    held.extend(bench.hold(10));
    all_alive(&mut held);
    adopt_and_end(&bench, held);
}

#[test]
fn a_new_controller_brings_the_members_of_its_file() {
    let mut bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let mut run = bench.run();
    let mut held = bench.hold(10);
    run.stop(Signal::SIGKILL, SOON).unwrap();
    bench.pool.members.truncate(1);
    let mut run = bench.run();
    assert_eq!(bench.sequence(3), "m1 m1 m1");
    all_alive(&mut held);
    drop(held);
    end(&mut run);
    assert_none(&bench.net);
}

#[test]
fn what_belongs_to_a_namespace_that_is_gone_does_not_stop_a_new_one() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let mut run = bench.run();
    assert_eq!(bench.sequence(4), "m1 m2 m1 m2");
    run.stop(Signal::SIGKILL, SOON).unwrap();
    drop(bench);

    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let mut run = bench.run();
    assert_eq!(bench.sequence(4), "m1 m2 m1 m2");
    bench.wait_idle();
    assert_eq!(bench.members("total_connections"), [2, 2], "counts start anew");
    end(&mut run);
    assert_none(&bench.net);
}

#[test]
fn a_new_controller_brings_the_listener_of_its_file() {
    let mut bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let mut run = bench.run();
    let mut held = bench.hold(4);
    run.stop(Signal::SIGKILL, SOON).unwrap();
    let left = bench.vip();
    bench.pool.vip.set_port(2222);
    let mut run = bench.run();
    assert_eq!(bench.sequence(2), "m1 m2");
    let Err(Error::Io { source, .. }) = connect(&bench.net.client().namespace, left) else {
        panic!("the port that was left is served");
    };
    assert_eq!(source.kind(), ErrorKind::ConnectionRefused);
    all_alive(&mut held);
    drop(held);
    end(&mut run);
    assert_none(&bench.net);
}

#[test]
fn a_new_controller_says_what_its_options_and_its_file_do_not_keep() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let mut run = bench.run();
    let address = bench.net.members[0].address().to_string();
    bench.member("add", &["--id", "m3", "--address", &address, "--port", "2222"]);
    bench.member("set", &["m1", "--weight", "7"]);
    run.stop(Signal::SIGKILL, SOON).unwrap();
    let mut run = bench.run_with(&["--max-connections", "20"]).unwrap();
    for words in ["m3 leaves, m1 weight 7 to 1", "max_connections takes effect"] {
        assert!(run.stderr().contains(words), "no {words:?} in {}", run.stderr());
    }
    end(&mut run);
    assert_none(&bench.net);
}
