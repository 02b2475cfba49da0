//! `qlb route`: what is said before a connection opens is what then happens.

use std::net::SocketAddr;

use lb_tests::topology::{Host, Layout};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::bench::{Bench, SOON, end, pins};
use crate::pool_file::{LEAST_CONNECTIONS, ROUND_ROBIN, SOURCE_IP};

/// `qlb route` of a client of ours to the VIP.
fn ask(bench: &Bench, client: &Host, port: u16) -> Value {
    let (src, dst) = (SocketAddr::new(client.address(), port).to_string(), bench.vip().to_string());
    let mut answer = bench.qlb.json(["route", "--src", &src, "--dst", &dst, "-o", "json"]).unwrap();
    assert_eq!(answer["apiVersion"], "qlb/v1");
    answer["route"].take()
}

/// What a connection would change. Packets come and go as they like.
fn counted(bench: &Bench) -> [Value; 4] {
    let mut status = bench.status();
    let totals = json!(bench.members("total_connections"));
    let active = json!(bench.members("active_connections"));
    [status["connections"].take(), status["conntrack"].take(), totals, active]
}

#[test]
fn the_member_that_is_named_gets_the_connection() {
    let layout = Layout { members: 3, ..Layout::ONE_ARM };
    for method in [ROUND_ROBIN, LEAST_CONNECTIONS, SOURCE_IP] {
        let bench = Bench::with_layout(&layout, method, &[2, 1, 1]);
        let mut run = bench.run();
        let mut held = Vec::new();
        for _ in 0..6 {
            let before = counted(&bench);
            let said = ask(&bench, bench.net.client(), 40_000);
            assert_eq!(ask(&bench, bench.net.client(), 40_000), said);
            assert_eq!(counted(&bench), before, "asking has changed something");
            let connection = bench.connect();
            assert_eq!(said["member"]["id"], connection.member, "{method} {said}");
            assert_eq!([&said["verdict"], &said["reason"]], ["forward", "method"]);
            held.push(connection);
        }
        drop(held);
        end(&mut run);
    }
}

#[test]
fn why_in_words() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let _run = bench.run();
    let client = bench.net.client();
    let text = |args: &[&str]| bench.qlb.command([&["route"], args].concat()).unwrap();
    let (src, vip) = (format!("{}:40000", client.address()), bench.vip().to_string());
    let table = text(&["--src", &src, "--dst", &vip]);
    let (member, id) = (bench.net.member_socket(0), bench.pool.id.as_str());
    for words in [
        format!("pool {id}  {src} -> {vip}"),
        format!("member m1 {member}  READY, 0 active"),
        "because it is its turn in round robin".to_owned(),
        format!("seen as {}:", bench.vip().ip()),
    ] {
        assert!(table.contains(&words), "{words} in\n{table}");
    }

    // A connection that is there is known, and from its very port.
    let connection = bench.connect();
    let said = ask(&bench, client, connection.local.port());
    assert_eq!([&said["reason"], &said["member"]["id"]], ["known_connection", "m1"]);
    assert_eq!(said["nat"], connection.seen.to_string());
    assert_eq!(said["member"]["active_connections"], 1);

    bench.member("set", &["m1", "--admin-state-up", "false"]);
    bench.member("drain", &["m2"]);
    let table = text(&[id, "--src", &src, "--dst", &vip]);
    assert!(table.contains("nobody: no member may take new connections (refuse_no_member)"));
    let elsewhere = format!("{}:9", bench.vip().ip());
    let table = text(&["--src", &src, "--dst", &elsewhere]);
    assert!(table.contains("pass_not_vip"), "{table}");
}

#[test]
fn backups_and_full_members() {
    let mut bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    bench.pool.members[0].more = ", max_connections: 1";
    bench.pool.members[1].more = ", backup: true";
    let _run = bench.run();
    let client = bench.net.client();
    let held = bench.connect();
    assert_eq!(held.member, "m1");
    assert_eq!(ask(&bench, client, 40_000)["outcome"], "refuse_members_full");
    bench.member("set", &["m1", "--admin-state-up", "false"]);
    let said = ask(&bench, client, 40_000);
    assert_eq!([&said["member"]["id"], &said["member"]["backup"]], [&json!("m2"), &json!(true)]);
    bench.member("set", &["m1", "--admin-state-up", "true"]);
    assert_eq!(ask(&bench, client, 40_000)["outcome"], "refuse_members_full");
    drop(held);
    bench.wait_idle();
    assert_eq!(ask(&bench, client, 40_000)["member"]["id"], "m1");
    assert_eq!(bench.connect().member, "m1");
}

#[test]
fn it_is_answered_without_a_controller_and_after_a_takeover() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let client = bench.net.client();
    let mut run = bench.run();
    let said = ask(&bench, client, 40_000);
    run.stop(Signal::SIGKILL, SOON).unwrap();
    assert_eq!(ask(&bench, client, 40_000), said);
    let mut run = bench.run();
    assert_eq!(ask(&bench, client, 40_000), said);

    // As an earlier qlb, whose datapath cannot be asked, leaves it.
    let pin = pins(&bench.pool.id).join("route");
    std::fs::remove_file(&pin).unwrap();
    let src = format!("{}:40000", client.address());
    let vip = bench.vip().to_string();
    let answer = bench.run_to_end(&["route", "--src", &src, "--dst", &vip]);
    assert_eq!(answer.code, Some(4), "{}", answer.stderr);
    for words in [bench.pool.id.as_str(), "start `qlb run`", "without touching a connection"] {
        assert!(answer.stderr.contains(words), "{words} in {}", answer.stderr);
    }
    run.stop(Signal::SIGKILL, SOON).unwrap();
    let mut run = bench.run();
    assert_eq!(ask(&bench, client, 40_000), said);

    let answer = bench.run_to_end(&["route", "--src", &src, "--dst", "192.0.2.77:22"]);
    assert_eq!(answer.code, Some(4));
    assert!(answer.stderr.contains("no pool with the VIP 192.0.2.77"), "{}", answer.stderr);
    end(&mut run);
}
