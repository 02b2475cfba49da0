//! Members whose connections end: both ends are reset, and other members' connections go on.

use lb_tests::tcp::{Connection, pattern};
use lb_tests::wait_until;
use serde_json::Value;

use crate::bench::{Bench, SOON, end};
use crate::events::{follow, told};
use crate::idle::wait_reset;
use crate::pool_file::ROUND_ROBIN;
use crate::reset::{assert_one_exact_reset, capture};

/// Two members, and what the pool file says beside them.
fn bench(fields: &[&str]) -> Bench {
    let mut bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    bench.pool.fields = fields.iter().map(|field| (*field).to_owned()).collect();
    bench
}

/// A connection to each member.
fn pair(bench: &Bench) -> [Connection; 2] {
    let [first, second]: [Connection; 2] = bench.hold(2).try_into().unwrap();
    assert_eq!([first.member.as_str(), second.member.as_str()], ["m1", "m2"]);
    [first, second]
}

fn m1(bench: &Bench) -> Value {
    let status = bench.status();
    let members = status["members"].as_array().unwrap();
    members.iter().find(|member| member["id"] == "m1").cloned().unwrap()
}

/// One of two held connections ends by what is done to its member; the other one goes on.
fn ends(fields: &[&str], verb: &str, args: &[&str], state: &str, reason: &str, letters: &str) {
    let bench = bench(fields);
    let _run = bench.run();
    let [mut first, mut second] = pair(&bench);
    first.exchange(&pattern(5_000)).unwrap();
    let events = follow(&bench.qlb, &bench.pool.id);
    let [client, members] = [bench.net.client(), &bench.net.members[0]];
    let mut captures =
        [(client, first.local, bench.vip()), (members, bench.net.member_socket(0), first.seen)]
            .map(|(host, end, peer)| (capture(host, "tcp"), end, peer));
    first.exchange(&pattern(5_000)).unwrap();

    bench.member(verb, args);
    wait_reset(&first);
    wait_until(|| bench.servers[0].reset() == 1, SOON, "a reset of the member").unwrap();
    second.exchange(&pattern(5_000)).unwrap();
    assert_eq!(bench.sequence(3), "m2 m2 m2");
    for (capture, end, peer) in &mut captures {
        assert_one_exact_reset(capture, *end, *peer);
    }

    let close = &told(&events, 1)[0];
    assert_eq!([&close["event"], &close["reason"], &close["state"]], ["close", reason, letters]);
    assert_eq!(close["client"], first.local.to_string());
    let member = m1(&bench);
    assert_eq!(member["state"], state);
    assert_eq!(member["active_connections"], 0);
    assert_eq!(bench.counter(&format!("connection_{reason}")), 1);
    assert_eq!(bench.counter("reset_sent"), 2);
    second.exchange(&pattern(5_000)).unwrap();
    drop(second);
    bench.wait_idle();
}

/// A timeout that is over at once: what comes before its end is another test's.
const SHORT: &[&str] = &["drain_timeout: 1"];
const SHUTDOWN: &[&str] = &["on_marked_down: shutdown-sessions"];

#[test]
fn a_drained_member_loses_its_connections_when_the_time_is_over() {
    ends(SHORT, "drain", &["m1"], "DRAINING", "drained", "KD");
}

#[test]
fn so_does_one_that_is_disabled() {
    ends(SHORT, "set", &["m1", "--admin-state-up", "false"], "DISABLED", "drained", "KD");
}

#[test]
fn so_does_one_that_is_down() {
    ends(SHORT, "set", &["m1", "--health", "down"], "DOWN", "drained", "KD");
}

#[test]
fn so_does_one_that_is_removed() {
    ends(SHORT, "remove", &["m1"], "REMOVED", "drained", "KD");
}

#[test]
fn a_member_that_is_marked_down_loses_them_at_once_if_the_pool_says_so() {
    ends(SHUTDOWN, "set", &["m1", "--health", "down"], "DOWN", "marked_down", "DD");
}

#[test]
fn connections_of_a_member_that_is_down_go_on_otherwise() {
    let bench = bench(&[]);
    let _run = bench.run();
    let [mut first, _second] = pair(&bench);
    bench.member("set", &["m1", "--health", "down"]);
    assert_eq!(m1(&bench)["state"], "DOWN");
    assert_eq!(m1(&bench)["drain_seconds"], Value::Null);
    assert_eq!(bench.sequence(2), "m2 m2");
    first.exchange(&pattern(5_000)).unwrap();
    bench.member("set", &["m1", "--health", "up"]);
    assert_eq!(m1(&bench)["state"], "READY");
    assert_eq!(bench.sequence(2).matches("m1").count(), 1);
}

/// A sweep that ends the connection of one member tells that an earlier one has passed over the
/// other's.
#[test]
fn a_member_that_is_up_again_keeps_its_new_connections() {
    let bench = bench(SHUTDOWN);
    let _run = bench.run();
    let [first, second] = pair(&bench);
    bench.member("set", &["m1", "--health", "down"]);
    wait_reset(&first);
    bench.member("set", &["m1", "--health", "up"]);
    let mut again = bench.hold(2);
    again.sort_by(|a, b| a.member.cmp(&b.member));
    assert_eq!([again[0].member.as_str(), again[1].member.as_str()], ["m1", "m2"]);
    bench.member("set", &["m2", "--health", "down"]);
    wait_reset(&second);
    wait_reset(&again[1]);
    again[0].exchange(&pattern(5_000)).unwrap();
}

#[test]
fn until_then_they_go_on_and_a_shorter_time_holds_for_them_too() {
    let mut bench = bench(&["drain_timeout: 3600000"]);
    let mut run = bench.run_with(&["--keep"]).unwrap();
    let [mut first, mut second] = pair(&bench);
    bench.member("drain", &["m1"]);
    let left = m1(&bench)["drain_seconds"].as_f64().unwrap();
    assert!(left > 3_000.0 && left <= 3_600.0, "{left}");
    let table = bench.member("list", &[]);
    assert!(table.contains("DRAINING 3"), "{table}");
    first.exchange(&pattern(5_000)).unwrap();
    bench.member("set", &["m1", "--weight", "1"]);
    assert_eq!(m1(&bench)["drain_seconds"], Value::Null, "taken back");
    bench.member("drain", &["m1"]);

    end(&mut run);
    bench.pool.members[0].weight = 0;
    bench.pool.fields = vec!["drain_timeout: 1".into()];
    let _run = bench.run();
    wait_reset(&first);
    wait_until(|| bench.servers[0].reset() == 1, SOON, "a reset of the member").unwrap();
    second.exchange(&pattern(5_000)).unwrap();
    assert_eq!(bench.counter("connection_drained"), 1);
}
