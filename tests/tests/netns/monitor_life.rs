//! What becomes of what monitors find: connections, operators, controllers that die.

use lb_tests::tcp::{Mode, pattern};
use lb_tests::topology::Layout;
use lb_tests::{wait_for, wait_until};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::bench::{Bench, SOON, end, server};
use crate::monitor_look::{health, member, monitor, wait_health};
use crate::pool_file::ROUND_ROBIN;
use crate::traces::assert_none;

fn bench(fields: &[String]) -> Bench {
    let layout = Layout { members: 3, ..Layout::ONE_ARM };
    let mut bench = Bench::with_layout(&layout, ROUND_ROBIN, &[1, 1]);
    bench.pool.fields = fields.to_vec();
    bench
}

fn tcp(more: &str) -> Bench {
    bench(&[format!("monitor: {}", monitor("TCP", more))])
}

#[test]
fn a_dead_member_gets_no_connection_not_even_after_its_controller_died() {
    let mut bench = tcp("");
    let mut run = bench.run();
    wait_health(&bench, "m2", "UP L4OK");
    assert_eq!(bench.sequence(4), "m1 m2 m1 m2");
    bench.servers.remove(1);
    wait_health(&bench, "m2", "DOWN L4CON");
    assert_eq!(bench.sequence(4), "m1 m1 m1 m1");
    assert_eq!(member(&bench, "m2")["state"], "DOWN");
    let failed = member(&bench, "m2")["failed_connections"].clone();

    run.stop(Signal::SIGKILL, SOON).unwrap();
    assert_eq!(health(&bench, "m2"), "DOWN L4CON");
    let mut run = bench.run();
    assert_eq!(bench.sequence(8), "m1 m1 m1 m1 m1 m1 m1 m1");
    let after = member(&bench, "m2");
    assert_eq!((&after["state"], &after["failed_connections"]), (&"DOWN".into(), &failed));
    assert_eq!(after["check"]["downs"], 1, "counts go on");

    // A member that was well does not fall at one failure because its controller is new.
    wait_health(&bench, "m1", "UP L4OK");
    bench.servers.insert(1, server(&bench.net, 1, Mode::Echo));
    wait_health(&bench, "m2", "UP L4OK");
    wait_until(|| bench.sequence(2).contains("m2"), SOON, "m2 serves again").unwrap();
    end(&mut run);
    assert_none(&bench.net);
}

#[test]
fn connections_that_are_open_go_on_when_their_member_falls() {
    let mut bench = tcp(", start: optimistic");
    // Accepts nobody new, but goes on with those it has: its monitor looks at another port.
    bench.pool.members[1].more = ", monitor_port: 2222";
    let mut run = bench.run();
    let mut held = bench.hold(2);
    wait_health(&bench, "m2", "DOWN L4CON");
    wait_health(&bench, "m1", "UP L4OK");
    held.iter_mut().for_each(|held| held.exchange(&pattern(2_000)).unwrap());
    assert_eq!(bench.sequence(3), "m1 m1 m1");
    assert_eq!(member(&bench, "m2")["check"]["failed"], 3, "the start rule is the optimistic one");
    let said = || run.stderr().matches("m2 is DOWN").count();
    wait_until(|| said() > 0, SOON, "m2 is DOWN").unwrap();
    assert_eq!(said(), 1, "said once: {}", run.stderr());
    end(&mut run);
}

/// The state of a member, and whether an operator has set its health.
fn state(bench: &Bench, id: &str) -> (Value, Value) {
    let mut member = member(bench, id);
    (member["state"].take(), member["health_forced"].take())
}

#[test]
fn an_operators_word_stands_until_it_is_taken_back() {
    let mut bench = tcp("");
    bench.servers.remove(1);
    let run = bench.run();
    wait_health(&bench, "m2", "DOWN L4CON");
    wait_health(&bench, "m1", "UP L4OK");
    bench.member("set", &["m2", "--health", "up"]);
    bench.member("set", &["m1", "--health", "down"]);
    assert_eq!(state(&bench, "m2"), ("READY".into(), true.into()));
    assert_eq!(state(&bench, "m1"), ("DOWN".into(), true.into()));
    // Probes go on, and change nothing.
    bench.servers.insert(1, server(&bench.net, 1, Mode::Echo));
    wait_health(&bench, "m2", "UP L4OK");
    assert_eq!(bench.sequence(3), "m2 m2 m2");
    bench.servers.remove(1);
    wait_health(&bench, "m2", "DOWN L4CON");
    assert_eq!(state(&bench, "m2"), ("READY".into(), true.into()));
    let table = bench.member("list", &[]);
    assert!(table.contains("DOWN (set)") && table.contains("UP (set)"), "{table}");
    assert_eq!(run.stderr().matches(" is UP").count(), 0, "{}", run.stderr());

    bench.member("set", &["m2", "--health", "auto"]);
    bench.member("set", &["m1", "--health", "auto"]);
    assert_eq!(state(&bench, "m2"), ("DOWN".into(), false.into()));
    assert_eq!(state(&bench, "m1"), ("READY".into(), false.into()));
    assert_eq!(bench.sequence(3), "m1 m1 m1");
}

#[test]
fn a_member_is_up_that_is_up_for_all_monitors() {
    let mut bench =
        bench(&[format!("monitors: [{}, {}]", monitor("PING", ""), monitor("TCP", ""))]);
    let _run = bench.run();
    wait_health(&bench, "m2", "UP L4OK");
    bench.servers.remove(1);
    wait_health(&bench, "m2", "DOWN L4CON");
    assert_eq!(member(&bench, "m2")["check"]["monitor"], "TCP");
    bench.servers.insert(1, server(&bench.net, 1, Mode::Echo));
    wait_health(&bench, "m2", "UP L4OK");
}

#[test]
fn members_that_come_and_go_are_probed_and_not() {
    let bench = tcp("");
    let _run = bench.run();
    wait_health(&bench, "m1", "UP L4OK");
    let third = bench.net.member_socket(2);
    let (ip, port) = (third.ip().to_string(), third.port().to_string());
    bench.member("add", &["--id", "m3", "--address", &ip, "--port", &port]);
    wait_health(&bench, "m3", "UP L4OK");
    bench.member("add", &["--id", "dead", "--address", &ip, "--port", "2222"]);
    wait_health(&bench, "dead", "DOWN L4CON");
    assert_eq!(member(&bench, "dead")["state"], "DOWN");
    bench.member("set", &["dead", "--admin-state-up", "false"]);
    let unprobed = || member(&bench, "dead")["check"].is_null();
    wait_until(unprobed, SOON, "a disabled member is not probed").unwrap();
    bench.member("remove", &["dead"]);
    assert_eq!(bench.sequence(3).split(' ').count(), 3);
}

#[test]
fn the_table_says_what_the_json_says() {
    let mut bench = tcp("");
    bench.servers.remove(1);
    let _run = bench.run();
    wait_health(&bench, "m2", "DOWN L4CON");
    let heading = bench.member("list", &[]).lines().next().unwrap().to_owned();
    assert!(heading.contains("HEALTH") && heading.ends_with("LAST PROBE"), "{heading}");
    // Each is a look of its own, and there may be a probe between the two.
    let same = || {
        let (table, second) = (bench.member("list", &[]), member(&bench, "m2"));
        let line = table.lines().find(|line| line.starts_with("m2 ")).unwrap();
        let check = &second["check"];
        let probe = format!("TCP L4CON in {}ms (Connection refused)", check["duration_ms"]);
        let words = ["DOWN", check["last_change"].as_str().unwrap(), &probe];
        match words.iter().find(|words| !line.contains(*words)) {
            None => Ok(second),
            Some(missing) => Err(format!("no {missing} in {line}")),
        }
    };
    let second = wait_for(same, SOON, "the same in the table and in JSON").unwrap();
    let status = bench.status();
    assert_eq!(status["members"][1]["check"]["state"], second["check"]["state"]);
}

#[test]
fn a_monitor_that_cannot_be_run_is_refused_before_anything_is_served() {
    let more = ", verify: required, ca_file: /nowhere/ca.pem";
    let mut bench = bench(&[format!("monitor: {}", monitor("HTTPS", more))]);
    bench.pool.protocol = "HTTPS";
    let file = bench.write("pool.yaml", std::slice::from_ref(&bench.pool));
    let answer = bench.run_to_end(&["run", "-f", file.to_str().unwrap()]);
    assert_eq!(answer.code, Some(2), "{}", answer.stderr);
    assert!(answer.stderr.contains("/nowhere/ca.pem"), "{}", answer.stderr);
    assert_none(&bench.net);
}
