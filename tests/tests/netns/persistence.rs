//! Clients that come back to their members, whatever is done to the pool.

use lb_tests::tcp;
use lb_tests::topology::{Host, Layout};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::bench::{Bench, SOON};
use crate::pool_file::ROUND_ROBIN;

fn bench(fields: &[&str]) -> Bench {
    let layout = Layout { clients: 2, members: 3, ..Layout::ONE_ARM };
    let mut bench = Bench::with_layout(&layout, ROUND_ROBIN, &[1, 1]);
    bench.pool.fields = fields.iter().map(|field| (*field).to_owned()).collect();
    bench
}

/// Who serves `count` connections of a client, one by one.
fn served(bench: &Bench, client: &Host, count: usize) -> String {
    let connect = || tcp::connect(&client.namespace, bench.vip()).unwrap().member;
    (0..count).map(|_| connect()).collect::<Vec<_>>().join(" ")
}

/// Entries of `qlb persistence`.
fn entries(bench: &Bench) -> Vec<Value> {
    let mut answer = bench.qlb.json(["persistence", bench.pool.id.as_str(), "-o", "json"]).unwrap();
    let Value::Array(entries) = answer["clients"].take() else { panic!("{answer}") };
    entries
}

#[test]
fn clients_keep_their_members_through_every_change() {
    let bench = bench(&["session_persistence: {type: SOURCE_IP}"]);
    let mut run = bench.run();
    let [first, second] = [&bench.net.clients[0], &bench.net.clients[1]];
    assert_eq!(served(&bench, first, 3), "m1 m1 m1");
    assert_eq!(served(&bench, second, 3), "m2 m2 m2");

    let third = bench.net.member_socket(2);
    let (address, port) = (third.ip().to_string(), third.port().to_string());
    bench.member("add", &["--address", &address, "--port", &port, "--id", "m3"]);
    assert_eq!(
        (served(&bench, first, 2), served(&bench, second, 2)),
        ("m1 m1".into(), "m2 m2".into())
    );
    bench.member("remove", &["m3"]);

    bench.member("drain", &["m1"]);
    assert_eq!(served(&bench, first, 2), "m1 m1", "a drained member keeps its clients");
    bench.member("set", &["m1", "--weight", "1", "--admin-state-up", "false"]);
    assert_eq!(served(&bench, first, 2), "m2 m2", "one that is down does not");
    bench.member("set", &["m1", "--admin-state-up", "true"]);
    assert_eq!(served(&bench, first, 3), "m2 m2 m2", "who has left stays where it is");

    bench.member("remove", &["m2"]);
    assert_eq!(served(&bench, second, 2), "m1 m1");
    assert!(bench.counter("connection_persisted") >= 14);

    run.stop(Signal::SIGKILL, SOON).unwrap();
    let _run = bench.run();
    assert_eq!(served(&bench, second, 2), "m1 m1", "a new controller knows its clients");
    let (known, address) = (entries(&bench), second.address().to_string());
    let entry = known.iter().find(|entry| entry["client"] == address).unwrap();
    assert_eq!((&entry["member"], &entry["expires_seconds"]), (&"m1".into(), &Value::Null));
}

#[test]
fn a_network_is_one_client_and_the_table_says_when_it_is_forgotten() {
    let bench = bench(&[
        "session_persistence: {type: SOURCE_IP, timeout: 3600, granularity: 255.255.255.0}",
    ]);
    let _run = bench.run();
    let [first, second] = [&bench.net.clients[0], &bench.net.clients[1]];
    assert_eq!(served(&bench, first, 2), "m1 m1");
    assert_eq!(served(&bench, second, 2), "m1 m1");
    let known = entries(&bench);
    assert_eq!((known.len(), &known[0]["client"]), (1, &"10.0.0.0".into()), "{known:?}");
    let left = known[0]["expires_seconds"].as_f64().unwrap();
    assert!(left > 0.0 && left <= 3600.0, "{left}");
    let table = bench.qlb.command(["persistence"]).unwrap();
    let line = table.lines().find(|line| line.starts_with("10.0.0.0 ")).unwrap_or(&table);
    assert!(line.contains("m1") && line.contains(&bench.pool.id), "{table}");
}
