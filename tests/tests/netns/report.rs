//! What `qlb status` and `qlb conns` tell, for programs and for people.

use std::io::Read;
use std::net::Shutdown;

use lb_tests::tcp::{Mode, pattern};
use lb_tests::wait_until;
use serde_json::{Value, json};

use crate::bench::{Bench, SOON, server};
use crate::pool_file::{LEAST_CONNECTIONS, ROUND_ROBIN};

#[test]
fn status_describes_the_pool_as_it_is_served() {
    let bench = Bench::new(LEAST_CONNECTIONS, &[3, 0]);
    let _run = bench.run();
    let mut held = bench.hold(2);
    let mut greeted = 0;
    for connection in &mut held {
        greeted += format!("{} {}\n", connection.member, connection.seen).len();
        connection.exchange(&pattern(1_000)).unwrap();
    }
    let all = bench.qlb.json(["status", "-o", "json"]).unwrap();
    assert_eq!(all["apiVersion"], "qlb/v1");
    let pool = &all["pools"][0];
    assert_eq!(pool["id"], bench.pool.id);
    assert_eq!(pool["namespace"], bench.pool.namespace);
    assert_eq!(pool["device"], bench.net.pool.device);
    assert_eq!(pool["hook"], "tcx");
    assert_eq!(pool["lb_method"], LEAST_CONNECTIONS);
    assert_eq!(pool["admin_state_up"], true);
    let id = format!("{}-vip", bench.pool.id);
    assert_eq!(pool["vip"], json!({"id": id, "address": "10.0.0.250", "port": 22}));
    assert_eq!(pool["connections"], json!({"active": 2, "limit": null, "total": 2}));
    assert_eq!(pool["bytes_in"], 2_000);
    assert_eq!(pool["bytes_out"], 2_000 + greeted);
    assert_eq!(pool["conntrack"]["entries"], 4, "two for each connection");

    let (first, second) = (&pool["members"][0], &pool["members"][1]);
    assert_eq!([&first["id"], &second["id"]], ["m1", "m2"]);
    assert_eq!([&first["address"], &second["address"]], ["10.0.0.2", "10.0.0.4"]);
    assert_eq!([&first["state"], &second["state"]], ["READY", "DRAINING"]);
    assert_eq!([&first["weight"], &second["weight"]], [3, 0]);
    assert_eq!(first["bytes_out"], pool["bytes_out"]);
    // Handshake and data at the least: three packets in and two out.
    let number = |field: &str| first[field].as_u64().unwrap();
    assert!(number("packets_in") >= 2 * 3 && number("packets_out") >= 2 * 2, "{first}");
    let counters = &pool["counters"];
    for (_, name, _) in lb_common::counter::all() {
        assert!(counters[name].is_u64(), "{name} in {counters}");
    }
    bench.counted_alike();

    let table = bench.qlb.command(["status"]).unwrap();
    for word in [bench.pool.id.as_str(), "10.0.0.250:22", "m1", "10.0.0.4:22", "DRAINING"] {
        assert!(table.contains(word), "{word} in\n{table}");
    }
}

#[test]
fn conns_tells_both_sides_of_a_connection() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let _run = bench.run();
    let mut held = bench.hold(4);
    for (index, connection) in held.iter_mut().enumerate() {
        connection.exchange(&pattern(100 + index)).unwrap();
    }
    let conns = bench.conns();
    assert_eq!(conns.len(), 4);
    for (index, connection) in held.iter().enumerate() {
        let local = connection.local.to_string();
        let entry = conns.iter().find(|entry| entry["client"] == local).unwrap();
        let member = usize::from(connection.member == "m2");
        assert_eq!(entry["pool"], bench.pool.id);
        assert_eq!(entry["member"], connection.member);
        assert_eq!(entry["member_address"], bench.net.member_socket(member).to_string());
        assert_eq!(entry["vip"], bench.vip().to_string());
        assert_eq!(entry["nat"], connection.seen.to_string());
        assert_eq!(entry["state"], "ESTABLISHED");
        assert_eq!(entry["bytes_in"], 100 + index);
        let greeting = format!("{} {}\n", connection.member, connection.seen);
        assert_eq!(entry["bytes_out"], 100 + index + greeting.len());
    }
}

#[test]
fn conns_tells_all_it_knows_when_asked() {
    let bench = Bench::new(ROUND_ROBIN, &[1]);
    let _run = bench.run();
    let mut connection = bench.connect();
    connection.exchange(&pattern(100)).unwrap();
    assert_eq!(bench.conns()[0]["detail"], Value::Null);

    let id = bench.pool.id.as_str();
    let all = bench.qlb.json(["conns", id, "--detail", "-o", "json"]).unwrap();
    let detail = &all["connections"][0]["detail"];
    assert_eq!(detail["facts"], json!(["accepted", "completed"]));
    assert_eq!([&detail["counted"], &detail["protocol"]], [&json!(true), &json!(6)]);
    assert_eq!(detail["nat_port"], connection.seen.port());
    let (client, member) = (connection.local.to_string(), bench.net.member_socket(0).to_string());
    let way = |end: &Value| [end["source"].clone(), end["destination"].clone()];
    assert_eq!(way(&detail["to_member"]), [json!(connection.seen), json!(member)]);
    assert_eq!(way(&detail["to_client"]), [json!(bench.vip()), json!(client)]);
    // What one direction adds to a checksum, the other takes away.
    let sum = |field: &str| {
        let of = |end: &str| detail[end][field].as_u64().unwrap();
        (of("to_member") + of("to_client")) % 0xffff
    };
    assert_eq!([sum("address_delta"), sum("port_delta")], [0, 0], "{detail}");
    assert_eq!(
        [&detail["client"]["payload"], &detail["member"]["acked"]],
        [&json!(100), &detail["client"]["next"]]
    );
    assert!(detail["connect_ms"].as_f64() >= Some(0.0), "{detail}");

    let table = bench.qlb.command(["conns", id, "--detail"]).unwrap();
    let words = ["accepted completed; counted as active", "to client", "zone 0, protocol 6"];
    for word in words {
        assert!(table.contains(word), "{word} in\n{table}");
    }
    assert!(table.contains(&format!("{} -> {member}", connection.seen)), "{table}");
}

#[test]
fn drops_tells_why_and_how_often() {
    let bench = Bench::new(ROUND_ROBIN, &[0]);
    let _run = bench.run();
    lb_tests::tcp::connect(&bench.net.client().namespace, bench.vip()).unwrap_err();
    let drops = |args: &[&str]| {
        let all = bench.qlb.json([&["drops", "-o", "json"], args].concat()).unwrap();
        assert_eq!(all["pools"][0]["id"], bench.pool.id);
        let Value::Array(reasons) = all["pools"][0]["reasons"].clone() else { panic!("{all}") };
        reasons
    };
    let applied = drops(&[]);
    let refused = applied.iter().find(|reason| reason["name"] == "refuse_no_member").unwrap();
    assert_eq!([&refused["number"], &refused["count"]], [33, 1]);
    assert_eq!(refused["meaning"], "no member may take new connections");
    assert!(applied.iter().all(|reason| reason["count"] != 0), "{applied:?}");

    let kinds = ["pass_", "refuse_", "drop_", "xdp_pass_", "outer_pass_"];
    let is_reason = |name: &str| kinds.iter().any(|kind| name.starts_with(kind));
    let all: Vec<u64> =
        drops(&["--all"]).iter().map(|reason| reason["number"].as_u64().unwrap()).collect();
    let there: Vec<u64> = lb_common::counter::all()
        .filter(|(_, name, _)| is_reason(name))
        .map(|(number, ..)| number.into())
        .collect();
    assert_eq!(all, there);
    let table = bench.qlb.command(["drops", bench.pool.id.as_str()]).unwrap();
    assert!(table.contains("refuse_no_member") && !table.contains("drop_rewrite"), "{table}");
}

/// The state of the only connection.
fn state(bench: &Bench) -> Value {
    bench.conns()[0]["state"].take()
}

#[test]
fn conns_follows_a_connection_to_its_end() {
    let mut bench = Bench::new(ROUND_ROBIN, &[1]);
    bench.servers.clear();
    bench.servers = vec![server(&bench.net, 0, Mode::CloseFirst)];
    let _run = bench.run();
    let connection = bench.connect();
    assert_eq!(connection.stream().read(&mut [0]).unwrap(), 0);
    assert_eq!(state(&bench), "CLOSING");
    assert_eq!(bench.members("active_connections"), [1]);
    connection.stream().shutdown(Shutdown::Write).unwrap();
    wait_until(|| state(&bench) == "CLOSED", SOON, "both FINs seen").unwrap();
    assert_eq!(bench.members("active_connections"), [0]);
    let table = bench.qlb.command(["conns"]).unwrap();
    assert!(table.contains(&connection.local.to_string()) && table.contains("CLOSED"), "{table}");
}
