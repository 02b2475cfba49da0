//! `qlb events`: what happens to connections, as an operator follows it.

use std::io::ErrorKind;
use std::net::Shutdown;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use lb_common::state::Happening;
use lb_tests::tcp::pattern;
use lb_tests::{Namespace, Process, Qlb, wait_for, wait_until};
use lb_userspace::control::follow_until;
use lb_userspace::registry::Registry;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::bench::{Bench, SOON, end};
use crate::pool_file::ROUND_ROBIN;

/// `qlb events -o json` of a pool, listening.
pub(crate) fn follow(qlb: &Qlb, pool: &str) -> Process {
    let args = ["events", pool, "-o", "json"];
    let command = Namespace::root().unwrap().command(qlb.program()).args(args);
    let mut process = Process::spawn(command).unwrap();
    let listening = |process: &Process| process.stderr().contains("listening").then_some(());
    process.wait_ready(listening, SOON, "a listener").unwrap();
    process
}

/// The first `count` events that `process` has told, when it has.
pub(crate) fn told(process: &Process, count: usize) -> Vec<Value> {
    let told = || {
        let stdout = process.stdout();
        let lines: Vec<Value> =
            stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        if lines.len() >= count { Ok(lines) } else { Err(stdout) }
    };
    wait_for(told, SOON, "events").unwrap()
}

#[test]
fn a_life_from_its_beginning_to_its_end() {
    let bench = Bench::new(ROUND_ROBIN, &[1]);
    let mut run = bench.run();
    let mut events = follow(&bench.qlb, &bench.pool.id);

    let mut connection = bench.connect();
    connection.exchange(&pattern(1_000)).unwrap();
    let open = &told(&events, 1)[0];
    assert_eq!([&open["event"], &open["pool"]], ["open", bench.pool.id.as_str()]);
    assert_eq!(open["client"], connection.local.to_string());
    assert_eq!(open["vip"], bench.vip().to_string());
    assert_eq!(open["nat"], connection.seen.to_string());
    assert_eq!(open["member"], "m1");
    assert_eq!(open["member_address"], bench.net.member_socket(0).to_string());
    assert_eq!(open["reason"], Value::Null);

    let greeting = format!("m1 {}\n", connection.seen).len();
    connection.stream().shutdown(Shutdown::Write).unwrap();
    let close = &told(&events, 2)[1];
    assert_eq!([&close["event"], &close["reason"], &close["state"]], ["close", "client_fin", "--"]);
    assert_eq!([&close["client"], &close["nat"]], [&open["client"], &open["nat"]]);
    assert_eq!(close["bytes_in"], 1_000);
    assert_eq!(close["bytes_out"], 1_000 + greeting);
    let (connect, age) = (close["connect_ms"].as_f64().unwrap(), close["age_ms"].as_f64().unwrap());
    assert!(0.0 <= connect && connect <= age, "{close}");
    assert!(close["time"].as_str() >= open["time"].as_str(), "{open} {close}");

    // The pool's end is the end of the story.
    end(&mut run);
    assert_eq!(events.wait(SOON).unwrap().code(), Some(0), "{}", events.stderr());
}

#[test]
fn a_refusal_is_told_and_the_listener_ends_by_ctrl_c() {
    let bench = Bench::new(ROUND_ROBIN, &[0]);
    let _run = bench.run();
    let mut events = follow(&bench.qlb, &bench.pool.id);
    lb_tests::tcp::connect(&bench.net.client().namespace, bench.vip()).unwrap_err();
    let refuse = &told(&events, 1)[0];
    assert_eq!(
        [&refuse["event"], &refuse["reason"], &refuse["state"]],
        ["refuse", "refuse_no_member", "SC"]
    );
    assert_eq!([&refuse["member"], &refuse["nat"]], [&Value::Null; 2]);
    assert_eq!(events.stop(Signal::SIGINT, SOON).unwrap().code(), Some(0));
    // The next listener may come, and hears nothing of before.
    let next = follow(&bench.qlb, &bench.pool.id);
    assert_eq!(next.stdout(), "");
}

/// The ring has one reader: whoever comes later hears of events by it, and has it when the first one leaves.
#[test]
fn a_second_listener_hears_what_the_first_one_does_and_goes_on_without_it() {
    let bench = Bench::new(ROUND_ROBIN, &[1]);
    let _run = bench.run();
    let listen = || follow(&bench.qlb, &bench.pool.id);
    let (mut first, second) = (listen(), listen());
    drop(bench.connect());
    assert_eq!(told(&first, 2), told(&second, 2));
    assert_eq!(first.stop(Signal::SIGINT, SOON).unwrap().code(), Some(0));
    // What comes before it has noticed is nobody's.
    let goes_on = || {
        drop(bench.connect());
        second.stdout().lines().count() > 2
    };
    wait_until(goes_on, SOON, "the second one goes on").unwrap();
    let third = listen();
    let client = bench.connect().local.to_string();
    for listener in [&second, &third] {
        let hears = || listener.stdout().contains(&client);
        wait_until(hears, SOON, "an event that both hear").unwrap();
    }
}

/// As `qlb events | head -1`: whoever has read enough leaves, and the next line finds nobody.
#[test]
fn a_reader_that_leaves_is_no_error() {
    let bench = Bench::new(ROUND_ROBIN, &[1]);
    let _run = bench.run();
    let mut listener = Command::new(bench.qlb.program())
        .arg("events")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(listener.stdout.take());
    let ended = || {
        drop(bench.connect());
        listener.try_wait().unwrap().ok_or("still listening".to_owned())
    };
    let status = wait_for(ended, SOON, "the end of the listener").unwrap();
    assert_eq!(status.code(), Some(0));
}

/// The datapath believes for five seconds that somebody listens; whoever finds an event each time it looks has to say
/// so again all the same.
#[test]
fn a_listener_that_never_gets_to_rest_misses_nothing() {
    let bench = Bench::new(ROUND_ROBIN, &[1]);
    let mut run = bench.run();
    let registry = Registry::default();
    let served = registry.list().unwrap();
    let (gone, ends) = UnixStream::pair().unwrap();
    let (tell, told) = sync_channel(0);
    let follower = thread::spawn(move || {
        follow_until(&registry, served, ends.as_fd(), |_, event| {
            if event.happening() != Some(Happening::Open) {
                return Ok(());
            }
            tell.send(event.client.sport.get()).map_err(|_| ErrorKind::BrokenPipe.into())
        })
    });
    let open = || bench.connect().local.port();
    // It has begun when it tells of something, if not of the last one yet.
    let mut before = Vec::new();
    let first = || {
        before.push(open());
        told.recv_timeout(Duration::from_millis(100))
    };
    let first = wait_for(first, SOON, "a listener").unwrap();
    let mut opened = before.split_off(before.iter().position(|port| *port == first).unwrap());
    let mut seen = vec![first];
    opened.push(open());
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(7) {
        // There is one more before one is taken.
        opened.push(open());
        seen.push(told.recv_timeout(SOON).unwrap());
    }
    while let (true, Ok(port)) = (seen.len() < opened.len(), told.recv_timeout(SOON)) {
        seen.push(port);
    }
    assert!(seen == opened, "{} of {} were told", seen.len(), opened.len());
    drop(gone);
    follower.join().unwrap().unwrap();
    end(&mut run);
}
