//! Starting and ending the controller.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use lb_tests::tcp::{connect, pattern};
use lb_tests::{Error, Namespace, Process};
use nix::sys::signal::Signal;

use crate::bench::{Answer, Bench, SOON, end, numbers};
use crate::pool_file::ROUND_ROBIN;
use crate::traces::{assert_none, attachments, state};

#[test]
fn a_signal_ends_the_controller_and_everything_it_made() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut run = bench.run();
        let ready = run.stdout();
        assert!(ready.starts_with("ready pools=1 members=2"), "{ready}");
        assert_eq!(ready.lines().count(), 1, "{ready}");
        assert_eq!(attachments(&bench.net).len(), 1);
        assert!(!state().is_empty());
        assert_eq!(bench.sequence(2), "m1 m2");
        let status = run.stop(signal, SOON).unwrap();
        assert_eq!(status.code(), Some(0), "{signal}: {}", run.stderr());
        assert_none(&bench.net);
        match connect(&bench.net.client().namespace, bench.vip()) {
            Err(Error::Io { source, .. }) => {
                assert_eq!(source.kind(), ErrorKind::ConnectionRefused);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn without_a_controller_there_is_nothing_to_report() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let all = bench.qlb.json(["status", "-o", "json"]).unwrap();
    assert_eq!(all["pools"].as_array().unwrap().len(), 0);
    let answer = bench.run_to_end(&["status", &bench.pool.id]);
    assert_eq!(answer.code, Some(4), "{answer:?}");
    assert!(answer.stderr.contains(&bench.pool.id), "{answer:?}");
    assert_none(&bench.net);
}

/// Starts a command line that ends in `qlb run` and waits for `ready`.
fn spawn_ready(program: &Path, args: &[&str]) -> Process {
    let command = Namespace::root().unwrap().command(program).args(args);
    let mut process = Process::spawn(command).unwrap();
    let ready = |process: &Process| process.stdout().starts_with("ready ").then_some(());
    process.wait_ready(ready, Duration::from_secs(30), "ready").unwrap();
    process
}

#[test]
fn the_controller_may_run_inside_the_pools_namespace() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let file = bench.write("pool.yaml", std::slice::from_ref(&bench.pool));
    let qlb = bench.qlb.program().to_str().unwrap().to_owned();
    let inside = ["netns", "exec", bench.net.vip.name(), qlb.as_str()];
    let with = |words: &[&str]| [inside.as_slice(), words].concat().join(" ");
    let line = with(&["run", "-f", file.to_str().unwrap()]);
    let ip = Path::new("ip");
    let mut run = spawn_ready(ip, &line.split(' ').collect::<Vec<_>>());
    assert_eq!(bench.sequence(4), "m1 m2 m1 m2");

    // From the outside and from the inside the same pool is seen.
    assert_eq!(bench.members("total_connections"), [2, 2]);
    let line = with(&["status", "-o", "json"]);
    let command = Namespace::root().unwrap().command(ip).args(line.split(' '));
    let status: serde_json::Value = serde_json::from_str(&command.stdout().unwrap()).unwrap();
    assert_eq!(numbers(&status["pools"][0], "total_connections"), [2, 2]);

    end(&mut run);
    assert_none(&bench.net);
}

#[test]
fn a_second_controller_of_the_same_pool_is_refused() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let mut run = bench.run();
    let mut held = bench.hold(4);
    let file = bench.write("again.yaml", std::slice::from_ref(&bench.pool));
    let Answer { code, stdout, stderr } = bench.run_to_end(&["run", "-f", file.to_str().unwrap()]);
    assert_eq!(code, Some(4), "{stderr}");
    assert_eq!(stdout, "");
    assert!(stderr.contains(&bench.pool.id), "{stderr}");
    assert!(stderr.contains(&run.pid().to_string()), "pid {}: {stderr}", run.pid());
    for connection in &mut held {
        connection.exchange(&pattern(1_000)).unwrap();
    }
    assert_eq!(bench.members("total_connections"), [2, 2]);
    end(&mut run);
    assert_none(&bench.net);
}

#[test]
fn the_task_that_loads_becomes_the_controller_and_hears_its_signals() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let file = bench.write("pool.yaml", std::slice::from_ref(&bench.pool));
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let load = ["xtask", "load", "-f", file.to_str().unwrap()];
        let mut run = spawn_ready(Path::new(env!("CARGO")), &load);
        assert_eq!(bench.sequence(2), "m1 m2");
        let status = run.stop(signal, SOON).unwrap();
        assert_eq!(status.code(), Some(0), "{signal}: {}", run.stderr());
        assert_none(&bench.net);
    }
}
