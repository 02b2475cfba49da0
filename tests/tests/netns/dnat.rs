//! Members that see their clients (`mode: dnat`), and have their way to them across the node.

use std::net::{IpAddr, SocketAddr};

use lb_tests::capture::assert_no_bad_checksums;
use lb_tests::tcp::{FNV_START, fnv1a, pattern};
use lb_tests::topology::{Layout, Place, SSH_POOL, SSH_POOL_V6, SeedPool, WEB_POOL, WEB_POOL_V6};
use lb_tests::{Nginx, curl};
use nix::sys::signal::Signal;

use crate::bench::{Bench, SOON};
use crate::hops::{By, Hops};
use crate::pmtu;
use crate::pool_file::ROUND_ROBIN;

/// Clients behind the router, members beside the VIP.
const LAYOUT: Layout = Layout { clients_at: Place::BehindRouter, ..Layout::ONE_ARM };

/// Members answer clients by way of the VIP.
fn bench(pool: &SeedPool) -> Bench {
    let mut bench = Bench::of(pool, &LAYOUT, ROUND_ROBIN, &[1, 1]);
    bench.pool.fields.push("mode: dnat".to_owned());
    let (client, vip) = (bench.net.client().address(), bench.vip().ip());
    let host = format!("{client}/{}", if client.is_ipv4() { 32 } else { 128 });
    for member in &bench.net.members {
        let via = vip.to_string();
        let route = ["route", "replace", host.as_str(), "via", via.as_str()];
        member.namespace.command("ip").args(route).stdout().unwrap();
    }
    bench
}

fn client(bench: &Bench) -> IpAddr {
    bench.net.client().address()
}

#[test]
fn members_see_the_client() {
    for pool in [&SSH_POOL, &SSH_POOL_V6] {
        let bench = bench(pool);
        let _run = bench.run();
        for expected in ["m1", "m2", "m1"] {
            let mut connection = bench.connect();
            assert_eq!((connection.member.as_str(), connection.seen), (expected, connection.local));
            connection.exchange(&pattern(1_000_000)).unwrap();
            let row = &bench.conns()[0];
            assert_eq!((&row["mode"], &row["nat"]), (&"dnat".into(), &row["client"]), "{row}");
            connection.finish().unwrap();
            bench.wait_idle();
        }
        let status = bench.status();
        assert_eq!(status["mode"], "dnat");
        assert!(status["bytes_out"].as_u64().unwrap() > 3_000_000, "{status}");
        let (from, to) =
            (SocketAddr::new(client(&bench), 40_000).to_string(), bench.vip().to_string());
        let asked = bench.qlb.json(["route", "--src", &from, "--dst", &to, "-o", "json"]).unwrap();
        assert_eq!(
            (&asked["route"]["mode"], &asked["route"]["nat"]),
            (&"dnat".into(), &from.into())
        );
    }
}

#[test]
fn nginx_sees_the_client_and_no_hop_a_bad_checksum() {
    const SIZE: usize = 4_000_000;
    for pool in [&WEB_POOL, &WEB_POOL_V6] {
        for offloads in [true, false] {
            let mut bench = bench(pool);
            bench.servers.clear();
            let (member, address) = (&bench.net.members[0], bench.net.member_socket(0));
            bench.pool.members.truncate(1);
            let nginx = Nginx::start(&member.namespace, "m1", address, SIZE).unwrap();
            let _run = bench.run();
            let hops = Hops::start(&bench.net, offloads, By::Outer);
            let (from, vip) = (&bench.net.client().namespace, bench.vip());
            let big = curl(from, &format!("http://{vip}/big"), &["--globoff"]).unwrap();
            assert_eq!(big.header("X-Seen-From"), Some(client(&bench).to_string().as_str()));
            let expected = fnv1a(FNV_START, &pattern(SIZE));
            assert_eq!((big.body.len(), fnv1a(FNV_START, &big.body)), (SIZE, expected));
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), &big.body).unwrap();
            let put = ["--globoff", "-T", file.path().to_str().unwrap()];
            assert_eq!(curl(from, &format!("http://{vip}/upload/x"), &put).unwrap().status, 201);
            let stored = std::fs::read(nginx.uploads().join("x")).unwrap();
            assert_eq!(fnv1a(FNV_START, &stored), expected);
            hops.judge_some(&[&format!("eth0 of {}", member.name()), "qr-52", "eth0 of client-"]);
        }
    }
}

#[test]
fn a_connection_that_is_refused_goes_to_another_member() {
    let mut bench = bench(&SSH_POOL);
    bench.servers.remove(0);
    let _run = bench.run();
    assert_eq!(bench.sequence(3), "m2 m2 m2");
    assert!(bench.counter("redispatched_refused") >= 1);
    bench.wait_idle();
}

#[test]
fn a_new_controller_brings_the_mode_of_its_file_and_connections_keep_theirs() {
    let mut bench = bench(&SSH_POOL);
    let dnat = bench.pool.fields.pop().unwrap();
    let vip = bench.vip();
    let mut run = bench.run();
    let mut held = bench.hold(2);
    assert!(held.iter().all(|connection| connection.seen.ip() == vip.ip()));
    run.stop(Signal::SIGKILL, SOON).unwrap();
    bench.pool.fields.push(dnat);
    let mut run = bench.run();
    assert!(run.stderr().contains("mode nat to dnat"), "{}", run.stderr());
    held.extend(bench.hold(2));
    assert!(held[2..].iter().all(|connection| connection.seen == connection.local));
    run.stop(Signal::SIGKILL, SOON).unwrap();
    bench.pool.fields.pop();
    let _run = bench.run();
    held.extend(bench.hold(2));
    assert!(held[4..].iter().all(|connection| connection.seen.ip() == vip.ip()));
    for connection in &mut held {
        connection.exchange(&pattern(50_000)).unwrap();
    }
    assert_eq!(bench.members("active_connections"), [3, 3]);
    drop(held);
    bench.wait_idle();
}

/// The router tells the client that a way is too narrow, and its datagram crosses the node.
#[test]
fn a_narrow_way_to_the_clients_is_found_by_the_member() {
    let bench = bench(&SSH_POOL);
    bench.net.set_offloads(false).unwrap();
    let _run = bench.run();
    pmtu::narrow(&bench, pmtu::CLIENTS, "qr-52");
    let mut capture = crate::reset::capture(&bench.net.members[0], "tcp or icmp");
    pmtu::transfer(&bench);
    assert!(bench.counter("icmp_to_member") > 0);
    capture.stop().unwrap();
    assert_no_bad_checksums(&capture.path()).unwrap();
    bench.wait_idle();
}
