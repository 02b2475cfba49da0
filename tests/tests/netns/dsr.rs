//! Members that have the VIP themselves and answer past the node (`mode: dsr`).

use std::net::IpAddr;

use lb_tests::capture::assert_no_bad_checksums;
use lb_tests::counters::LinkCounters;
use lb_tests::tcp::{EchoServer, FNV_START, Mode, fnv1a, pattern};
use lb_tests::topology::{
    Host, Layout, Place, PoolNet, SSH_POOL, SSH_POOL_V6, SeedPool, WEB_POOL, WEB_POOL_V6,
};
use lb_tests::{Nginx, curl, iperf3_server, sysctl, wait_until};
use serde_json::Value;

use crate::bench::{Bench, SOON};
use crate::hops::{By, Hops};
use crate::idle::wait_reset;
use crate::pmtu;
use crate::pool_file::{LEAST_CONNECTIONS, ROUND_ROBIN};
use crate::reset::{assert_one_exact_reset, capture};

/// Clients behind the router, members beside the VIP.
const LAYOUT: Layout = Layout { clients_at: Place::BehindRouter, ..Layout::ONE_ARM };

/// Gives a member the VIP, for which the node alone answers.
fn lend(member: &Host, vip: IpAddr) {
    let bits = if vip.is_ipv4() { 32 } else { 128 };
    let address = format!("{vip}/{bits}");
    let up = ["link", "set", "lo", "up"];
    member.namespace.command("ip").args(up).stdout().unwrap();
    let add = ["address", "add", address.as_str(), "dev", "lo"];
    member.namespace.command("ip").args(add).stdout().unwrap();
    // An address of IPv6 is there in a moment.
    let show = ["address", "show", "dev", "lo", "tentative"];
    let settled = || member.namespace.command("ip").args(show).stdout().unwrap().is_empty();
    wait_until(settled, SOON, "the VIP on the member's loopback").unwrap();
    if vip.is_ipv4() {
        sysctl::set(&member.namespace, "net.ipv4.conf.all.arp_ignore", "1").unwrap();
        sysctl::set(&member.namespace, "net.ipv4.conf.all.arp_announce", "2").unwrap();
    }
}

/// The first members have the VIP and serve it.
fn bench(pool: &SeedPool, method: &'static str, able: usize) -> Bench {
    let mut bench = Bench::of(pool, &LAYOUT, method, &[1, 1]);
    bench.pool.fields.push("mode: dsr".to_owned());
    let vip = bench.vip();
    let serve = |index: usize| {
        let member = &bench.net.members[index];
        lend(member, vip.ip());
        EchoServer::start(&member.namespace, &format!("m{}", index + 1), vip, Mode::Echo).unwrap()
    };
    bench.servers = (2 - able..2).map(serve).collect();
    bench
}

fn device(net: &PoolNet) -> LinkCounters {
    LinkCounters::read(&net.vip.namespace, &net.vip.plugged().device).unwrap()
}

#[test]
fn members_see_the_client_and_counts_are_what_it_says() {
    for pool in [&SSH_POOL, &SSH_POOL_V6] {
        let bench = bench(pool, LEAST_CONNECTIONS, 2);
        let _run = bench.run();
        let mut held = bench.hold(6);
        assert_eq!(bench.members("active_connections"), [3, 3]);
        for connection in &mut held {
            assert_eq!(connection.seen, connection.local);
            connection.exchange(&pattern(100_000)).unwrap();
        }
        for row in bench.conns() {
            assert_eq!((&row["mode"], &row["state"]), (&"dsr".into(), &"ESTABLISHED".into()));
            assert_eq!((&row["nat"], &row["bytes_out"]), (&row["client"], &Value::Null), "{row}");
        }
        let of_second = held.iter().filter(|connection| connection.member == "m2").count();
        assert_eq!(of_second, 3);
        held.retain(|connection| connection.member == "m2");
        let idle = || bench.members("active_connections") == [0, 3];
        wait_until(idle, SOON, "the first member is idle").unwrap();
        held.extend(bench.hold(3));
        assert_eq!(bench.members("active_connections"), [3, 3]);
        drop(held);
        bench.wait_idle();
        let status = bench.status();
        assert_eq!((&status["mode"], &status["bytes_out"]), (&"dsr".into(), &0.into()));
        assert_eq!(status["connections"]["total"], 9);
    }
}

#[test]
fn a_download_passes_the_node_by() {
    const SIZE: usize = 100_000_000;
    for pool in [&WEB_POOL, &WEB_POOL_V6] {
        let mut bench = bench(pool, ROUND_ROBIN, 1);
        bench.servers.clear();
        let (member, vip) = (&bench.net.members[1], bench.vip());
        bench.pool.members.remove(0);
        let _nginx = Nginx::start(&member.namespace, "m2", vip, SIZE).unwrap();
        let _run = bench.run();
        let client = bench.net.client();
        let port = &client.plugged().device;
        let received = || LinkCounters::read(&client.namespace, port).unwrap().rx.bytes;
        let (node_before, client_before) = (device(&bench.net), received());
        let mut of_vip = capture(&bench.net.vip, &format!("tcp and src host {}", vip.ip()));

        let url = format!("http://{vip}/big");
        let big = curl(&client.namespace, &url, &["--globoff"]).unwrap();
        assert_eq!(big.header("X-Seen-From"), Some(client.address().to_string().as_str()));
        let expected = fnv1a(FNV_START, &pattern(SIZE));
        assert_eq!((big.body.len(), fnv1a(FNV_START, &big.body)), (SIZE, expected));

        let (node, got) = (device(&bench.net), received() - client_before);
        assert!(got > SIZE as u64);
        // All that came in or went out, the client's acknowledgements among it.
        let passed = node.rx.bytes - node_before.rx.bytes + node.tx.bytes - node_before.tx.bytes;
        assert!(passed * 100 < got, "{passed} bytes by the node's device of {got}");
        of_vip.stop().unwrap();
        assert_eq!(of_vip.lines(&[]).unwrap(), [""; 0]);
        bench.wait_idle();
    }
}

#[test]
fn iperf3_passes_the_node_by_and_no_hop_sees_a_bad_checksum() {
    const SIZE: u64 = 4_000_000;
    for pool in [&SSH_POOL, &SSH_POOL_V6] {
        for offloads in [true, false] {
            let mut bench = bench(pool, ROUND_ROBIN, 1);
            bench.servers.clear();
            bench.pool.members.remove(0);
            let (member, vip) = (&bench.net.members[1], bench.vip());
            let (port, to, bytes) =
                (vip.port().to_string(), vip.ip().to_string(), SIZE.to_string());
            let once = ["-1", "-B", &to, "-p", &port];
            let mut server = iperf3_server(&member.namespace, &once).unwrap();
            let _run = bench.run();
            let hops = Hops::start(&bench.net, offloads, By::Tc);
            let before = device(&bench.net);
            let ask = ["-c", &to, "-p", &port, "-J", "-R", "-n", &bytes];
            let told = bench.net.client().namespace.command("iperf3").args(ask).stdout().unwrap();
            let told: Value = serde_json::from_str(&told).unwrap();
            let got = told["end"]["sum_received"]["bytes"].as_u64().unwrap();
            assert!(got >= SIZE, "{told}");
            assert!(server.wait(SOON).unwrap().success());
            // Nothing of it came in but acknowledgements, which are more without offloads: one for each segment at most.
            let passed = device(&bench.net).rx.bytes - before.rx.bytes;
            assert!(passed * 12 < got, "{passed} bytes by the node's device of {got}");
            hops.judge_some(&[&format!("eth0 of {}", member.name()), "qr-52", "eth0 of client-"]);
        }
    }
}

#[test]
fn both_ends_of_an_idle_connection_are_reset() {
    for pool in [&SSH_POOL, &SSH_POOL_V6] {
        let mut bench = bench(pool, ROUND_ROBIN, 2);
        bench.pool = bench.pool.timeouts(&[("client", 5_000), ("server", 5_000)]);
        let _run = bench.run();
        let mut captures =
            [bench.net.client(), &bench.net.members[0]].map(|host| capture(host, "tcp"));
        let mut connection = bench.connect();
        connection.exchange(&pattern(5_000)).unwrap();
        wait_reset(&connection);
        wait_until(|| bench.servers[0].reset() == 1, SOON, "a reset of the member").unwrap();
        assert_eq!(bench.members("active_connections"), [0, 0]);
        assert_eq!((bench.counter("connection_expired"), bench.counter("reset_sent")), (1, 2));
        wait_until(|| bench.conns().is_empty(), SOON, "the entry goes").unwrap();
        let [at_client, at_member] = &mut captures;
        assert_one_exact_reset(at_client, connection.local, bench.vip());
        assert_one_exact_reset(at_member, bench.vip(), connection.seen);
    }
}

/// The first member does not have the VIP, and says nothing about it.
#[test]
fn a_member_that_says_nothing_loses_its_connections_to_others() {
    let mut bench = bench(&SSH_POOL, ROUND_ROBIN, 1);
    bench.pool = bench.pool.timeouts(&[("connect", 10_000)]);
    let _run = bench.run();
    assert_eq!(bench.connect().member, "m2");
    assert_eq!(bench.counter("redispatched_silent"), 1);
    assert_eq!(bench.members("failed_connections"), [1, 0]);
    bench.wait_idle();
}

/// Errors about answers come to the VIP; the member has to know.
#[test]
fn a_narrow_way_to_the_clients_is_found_by_the_member() {
    let bench = bench(&SSH_POOL, ROUND_ROBIN, 2);
    let _run = bench.run();
    pmtu::narrow(&bench, pmtu::CLIENTS, "qr-52");
    let mut capture = capture(&bench.net.members[0], "icmp");
    pmtu::transfer(&bench);
    assert!(bench.counter("icmp_to_member") > 0);
    capture.stop().unwrap();
    assert_no_bad_checksums(&capture.path()).unwrap();
    bench.wait_idle();
}

#[test]
fn members_must_be_on_the_link_and_listen_where_the_vip_does() {
    let layout = Layout { members_at: Place::BehindRouter, ..LAYOUT };
    let mut bench = Bench::of(&SSH_POOL, &layout, ROUND_ROBIN, &[1, 1]);
    bench.pool.fields.push("mode: dsr".to_owned());
    let file = bench.write("far.yaml", std::slice::from_ref(&bench.pool));
    let answer = bench.run_to_end(&["run", "-f", file.to_str().unwrap()]);
    assert_eq!(answer.code, Some(4), "{answer:?}");
    let at = bench.net.members[0].address();
    for words in [format!("{at} is behind a gateway"), "write `mode: dnat`".to_owned()] {
        assert!(answer.stderr.contains(&words), "{words}: {answer:?}");
    }
    bench.pool.members[1].address.set_port(8080);
    let file = bench.write("port.yaml", std::slice::from_ref(&bench.pool));
    let answer = bench.run_to_end(&["run", "-f", file.to_str().unwrap()]);
    assert_eq!(answer.code, Some(2), "{answer:?}");
    let words = "port 8080 of member `m2` is not the VIP's 22";
    assert!(answer.stderr.contains(words) && answer.stderr.contains("port.yaml:"), "{answer:?}");
}
