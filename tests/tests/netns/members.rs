//! Changing a running pool: nobody who is connected notices, everybody new is served by the new set.

use lb_tests::tcp::{Connection, pattern};
use lb_tests::topology::Layout;
use serde_json::Value;

use crate::bench::{Bench, order};
use crate::pool_file::ROUND_ROBIN;

/// Every connection still carries data, both ways.
fn all_alive(held: &mut [Connection]) {
    for connection in held {
        connection.exchange(&pattern(2_000)).unwrap();
    }
}

fn count(connections: &[Connection], member: &str) -> usize {
    connections.iter().filter(|connection| connection.member == member).count()
}

/// A member's line in `qlb status`.
fn member(bench: &Bench, id: &str) -> Value {
    let status = bench.status();
    let members = status["members"].as_array().unwrap();
    members.iter().find(|member| member["id"] == id).cloned().unwrap_or(Value::Null)
}

/// The third member's address and port, which the pool file does not name.
fn third(bench: &Bench) -> (String, String) {
    let third = bench.net.member_socket(2);
    (third.ip().to_string(), third.port().to_string())
}

fn bench() -> Bench {
    let layout = Layout { members: 3, ..Layout::ONE_ARM };
    Bench::with_layout(&layout, ROUND_ROBIN, &[1, 1])
}

#[test]
fn no_change_of_members_breaks_a_held_connection() {
    let bench = bench();
    let _run = bench.run();
    let mut held = bench.hold(100);
    assert_eq!((count(&held, "m1"), count(&held, "m2")), (50, 50));

    let (address, port) = third(&bench);
    let options = ["--address", &address, "--port", &port, "--weight", "2", "--id", "m3"];
    bench.member("add", &options);
    let mut added = bench.hold(8);
    assert_eq!(["m1", "m2", "m3"].map(|id| count(&added, id)), [2, 2, 4], "{}", order(&added));
    held.append(&mut added);
    all_alive(&mut held);

    bench.member("drain", &["m1"]);
    assert_eq!(member(&bench, "m1")["state"], "DRAINING");
    let mut drained = bench.hold(6);
    assert_eq!(["m1", "m2", "m3"].map(|id| count(&drained, id)), [0, 2, 4]);
    held.append(&mut drained);
    all_alive(&mut held);
    assert_eq!(member(&bench, "m1")["active_connections"], 52);

    bench.member("set", &["m2", "--weight", "6"]);
    assert_eq!(member(&bench, "m2")["weight"], 6);
    let mut weighted = bench.hold(8);
    assert_eq!(["m1", "m2", "m3"].map(|id| count(&weighted, id)), [0, 6, 2]);
    held.append(&mut weighted);

    bench.member("set", &["m2", "--admin-state-up", "false"]);
    assert_eq!(member(&bench, "m2")["state"], "DISABLED");
    let mut only_third = bench.hold(4);
    assert_eq!(count(&only_third, "m3"), 4);
    held.append(&mut only_third);
    bench.member("set", &["m2", "--admin-state-up", "true"]);
    assert_eq!(member(&bench, "m2")["state"], "READY");

    bench.member("remove", &["m3"]);
    let mut without = bench.hold(4);
    assert_eq!(count(&without, "m2"), 4);
    held.append(&mut without);
    assert!(count(&held, "m3") > 0, "held connections to the removed member");
    all_alive(&mut held);

    let total = held.len();
    drop(held);
    bench.wait_idle();
    let status = bench.status();
    assert_eq!(status["connections"]["total"], total);
    assert_eq!(status["counters"]["connection_closed"], total);
}

#[test]
fn a_removed_member_is_listed_until_its_connections_end_and_may_come_back() {
    let bench = bench();
    let _run = bench.run();
    let mut held = bench.hold(2);
    bench.member("remove", &["m2"]);
    assert_eq!(member(&bench, "m2")["state"], "REMOVED");
    assert_eq!(member(&bench, "m2")["active_connections"], 1);
    assert_eq!(bench.sequence(3), "m1 m1 m1");
    all_alive(&mut held);

    let address = bench.net.member_socket(1);
    let (ip, port) = (address.ip().to_string(), address.port().to_string());
    bench.member("add", &["--address", &ip, "--port", &port, "--weight", "3", "--id", "m2"]);
    assert_eq!(member(&bench, "m2")["state"], "READY");
    let again = bench.hold(8);
    assert_eq!((count(&again, "m1"), count(&again, "m2")), (2, 6));
    all_alive(&mut held);
    drop((held, again));
    bench.wait_idle();
}

#[test]
fn a_drained_member_serves_again_after_its_weight_is_set() {
    let bench = bench();
    let _run = bench.run();
    bench.member("drain", &["m2"]);
    assert_eq!(bench.sequence(4), "m1 m1 m1 m1");
    bench.member("set", &["m2", "--weight", "1"]);
    assert_eq!(member(&bench, "m2")["state"], "READY");
    let held = bench.hold(4);
    assert_eq!((count(&held, "m1"), count(&held, "m2")), (2, 2));
}

#[test]
fn members_are_named_by_id_prefix_and_address_and_listed_with_their_state() {
    let bench = bench();
    let _run = bench.run();
    let second = bench.net.member_socket(1).to_string();
    bench.member("drain", &[&second]);
    let table = bench.member("list", &[]);
    let line = |id: &str| {
        let found = table.lines().find(|line| line.split_whitespace().any(|word| word == id));
        found.unwrap_or_else(|| panic!("{id} in {table}")).to_owned()
    };
    assert!(line("m1").contains("READY"), "{table}");
    assert!(line("m2").contains("DRAINING") && line("m2").contains("10.0.0.4"), "{table}");

    let short = &bench.pool.id[..6];
    let args = ["member", "list", short, "-o", "json"];
    let json = bench.qlb.json(args).unwrap().to_string();
    assert!(json.contains("DRAINING") && json.contains("\"m1\""), "{json}");
}
