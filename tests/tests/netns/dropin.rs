//! A link named `haproxy`, called as Neutron calls HAProxy: in the pool's namespace, with the conf it wrote.

use std::os::unix::fs::symlink;

use lb_tests::{Namespace, Process, wait_until};
use nix::sys::signal::Signal;

use crate::attendance::{Conf, Office};
use crate::bench::{Bench, SOON};
use crate::haproxy::Haproxy;
use crate::pool_file::ROUND_ROBIN;

fn haproxy(bench: &Bench, office: &Office, args: &[&str]) -> Process {
    let link = office.path("haproxy");
    if !link.exists() {
        symlink(bench.qlb.program(), &link).unwrap();
    }
    // As `ip netns exec` leaves it: in the namespace, which has a name in /run/netns.
    let command = bench.net.vip.namespace.command(&link).args(args);
    Process::spawn(command).unwrap()
}

fn conf(bench: &Bench, office: &Office, more: &'static str) -> String {
    let conf =
        Conf { balance: "leastconn", weights: vec![1, 1], server: "", idle: 50_000, backend: more };
    office.write(bench, &conf).display().to_string()
}

#[test]
fn it_serves_answers_and_leaves_nothing() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let office = Office::open();
    let conf = conf(&bench, &office, "");
    // The process before has ended long ago.
    let mut process =
        haproxy(&bench, &office, &["-db", "-f", &conf, "-p", "/nonexistent/pid", "-sf", "999999"]);
    let ready = |process: &Process| process.stdout().contains("ready").then_some(());
    process.wait_ready(ready, SOON, "haproxy").unwrap();
    let held = bench.hold(4);
    let rows = office.rows(|rows| rows["BACKEND"]["scur"] == "4");
    assert_eq!([&rows["m1"]["scur"], &rows["m2"]["scur"]], ["2", "2"]);
    drop(held);
    assert_eq!(process.stop(Signal::SIGTERM, SOON).unwrap().code(), Some(0));
    assert!(!office.socket().exists());
    let answer = bench.run_to_end(&["status"]);
    assert!(answer.stdout.starts_with("no pool is served"), "{}", answer.stdout);
    assert!(Namespace::root().unwrap().run(|| !std::path::Path::new("/run/qlb").exists()).unwrap());
}

#[test]
fn what_it_cannot_do_it_says_with_haproxys_status_and_does_nothing() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let office = Office::open();
    let fails = |args: &[&str], words: &str| {
        let mut process = haproxy(&bench, &office, args);
        let status = process.wait(SOON).unwrap();
        let said = process.stderr();
        assert_eq!(status.code(), Some(1), "{args:?}: {said}");
        assert!(said.contains("[ALERT] ") && said.contains(words), "{args:?}: {words} in {said}");
        assert!(!office.socket().exists(), "{args:?}");
    };
    let cookie = conf(&bench, &office, "\tcookie SRV insert indirect nocache\n");
    fails(&["-db", "-f", &cookie], &format!("[{cookie}:21] : `cookie SRV`"));
    let plain = conf(&bench, &office, "");
    let own = std::process::id().to_string();
    fails(&["-db", "-f", &plain, "-sf", &own], &format!("{own} runs"));

    // A HAProxy that is still there keeps its socket.
    let theirs = Haproxy::with_conf(&bench.net.vip.namespace, plain.as_ref(), &[], &[bench.vip()]);
    wait_until(|| office.ask("show info\n").is_ok(), SOON, "HAProxy's socket").unwrap();
    let mut process = haproxy(&bench, &office, &["-db", "-f", &plain]);
    assert_eq!(process.wait(SOON).unwrap().code(), Some(1));
    assert!(process.stderr().contains("is another process's"), "{}", process.stderr());
    assert!(office.ask("show info\n").unwrap().contains("Name: HAProxy"));
    drop(theirs);
}
