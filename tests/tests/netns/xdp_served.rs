//! Traffic through native XDP on a veth: every byte arrives, every checksum is right, every packet is counted once.

use lb_tests::capture::{Capture, assert_no_bad_checksums};
use lb_tests::topology::{
    Layout, LbaasNode, PoolNet, SSH_POOL, SSH_POOL_V6, WEB_POOL, WEB_POOL_V6,
};
use lb_tests::{Process, Qlb, SshKeys, ethtool, iperf3_server};

use crate::bench::{Bench, end};
use crate::bulk::{corrupt, echo};
use crate::pmtu;
use crate::pool_file::ROUND_ROBIN;
use crate::seen::{SIZE, a_large_file_through, run_with, ssh_through};
use crate::traces::assert_none;
use crate::xdp::{XDP, prepare, prepared};

/// Payload of a full frame: MTU 1500 less IPv4 and TCP headers with timestamps.
const SEGMENT: u64 = 1448;

/// Sends 20 MB there and back. What comes from the VIP has right checksums at client and member; a packet that they
/// count as corrupt, or that is counted twice or not at all, fails the test. Returns how many packets the XDP
/// program forwarded, and how many were left to TC because of their checksum.
fn oracle(bench: &Bench) -> (u64, u64) {
    const BULK: usize = 20_000_000;
    let (member, client) = (&bench.net.members[0], bench.net.client());
    // Larger ones are put together by GRO, which has summed up every segment before.
    let filter = format!("tcp and src host {}", bench.vip().ip());
    let capture = |namespace, device: &str| Capture::of_frames(namespace, device, &filter).unwrap();
    let mut captures =
        [capture(&member.namespace, "eth0"), capture(&client.namespace, &client.plugged().device)];
    let counted = || ["xdp_forwarded", "xdp_pass_partial"].map(|name| bench.counter(name));
    let (before, [forwarded, partial]) = (corrupt(bench), counted());
    let connection = bench.connect();
    assert_eq!(connection.member, "m1");
    echo(&connection, BULK);
    connection.finish().unwrap();
    bench.wait_idle();
    assert_eq!(corrupt(bench), before);
    for capture in &mut captures {
        capture.stop().unwrap();
        assert_no_bad_checksums(&capture.path()).unwrap();
    }
    let status = bench.status();
    let sum = |field: &str| bench.members(field).iter().sum::<u64>();
    let counters = &status["counters"];
    assert_eq!(counters["forward_to_member"], sum("packets_in"), "{status}");
    assert_eq!(counters["forward_to_client"], sum("packets_out"), "{status}");
    for name in ["drop_rewrite", "drop_inconsistent"] {
        assert_eq!(counters[name], 0, "{status}");
    }
    let now = counted();
    (now[0] - forwarded, now[1] - partial)
}

/// A frame for each segment, both ways, at the least.
fn at_least(forwarded: u64) {
    assert!(forwarded > 2 * 20_000_000 / SEGMENT, "{forwarded} packets forwarded by XDP");
}

#[test]
fn every_checksum_is_right_with_offloads_of_the_hosts_on() {
    for bench in prepared(&[1]) {
        let mut run = bench.run_with(&XDP).unwrap();
        let (forwarded, partial) = oracle(&bench);
        at_least(forwarded);
        // One right checksum in 65,535 looks unfinished.
        assert!(partial < forwarded / 1000, "{partial} of {forwarded}");
        end(&mut run);
        assert_none(&bench.net);
    }
}

#[test]
fn every_checksum_is_right_with_offloads_of_the_hosts_off() {
    for bench in prepared(&[1]) {
        bench.net.set_offloads(false).unwrap();
        let mut run = bench.run_with(&XDP).unwrap();
        let (forwarded, _) = oracle(&bench);
        at_least(forwarded);
        end(&mut run);
        assert_none(&bench.net);
    }
}

/// Somebody changes what was right at the start: packets then come without checksums.
#[test]
fn unfinished_checksums_are_left_to_tc() {
    for bench in prepared(&[1]) {
        let mut run = bench.run_with(&XDP).unwrap();
        let peer = bench.net.vip.ports[0].host_name();
        ethtool::set(bench.net.node.bridge().namespace(), peer, &[("tx", true)]).unwrap();
        let before = (corrupt(&bench), bench.counter("xdp_pass_partial"));
        let connection = bench.connect();
        echo(&connection, 20_000_000);
        connection.finish().unwrap();
        bench.wait_idle();
        assert_eq!(corrupt(&bench), before.0);
        let partial = bench.counter("xdp_pass_partial") - before.1;
        at_least(partial);
        assert!(bench.counter("xdp_forwarded") < partial / 100, "{}", bench.status());
        end(&mut run);
        assert_none(&bench.net);
    }
}

/// Serves a topology by XDP, made as the documentation wants it.
pub(crate) fn run(net: &PoolNet, method: &'static str, weights: &[u32]) -> (Process, Qlb) {
    prepare(net);
    run_with(net, method, weights, &XDP)
}

/// Ends it; the XDP program must have forwarded more packets than these.
fn finish((mut run, qlb, net): (Process, Qlb, PoolNet), packets: u64) {
    let status = qlb.json(["status", net.pool.id, "-o", "json"]).unwrap();
    let forwarded = status["pools"][0]["counters"]["xdp_forwarded"].as_u64().unwrap();
    assert!(forwarded > packets, "{forwarded} of {packets}: {status}");
    end(&mut run);
    assert_none(&net);
}

#[test]
fn ssh_through_native_xdp() {
    let keys = SshKeys::generate().unwrap();
    for pool in [&SSH_POOL, &SSH_POOL_V6] {
        finish(ssh_through(pool, &keys, run), 20);
    }
}

#[test]
fn a_large_file_over_http_through_native_xdp() {
    for pool in [&WEB_POOL, &WEB_POOL_V6] {
        finish(a_large_file_through(pool, run), 2 * SIZE as u64 / SEGMENT);
    }
}

#[test]
fn iperf3_through_native_xdp() {
    const BULK: u64 = 200 << 20;
    for pool in [&WEB_POOL, &WEB_POOL_V6] {
        let net = LbaasNode::new().unwrap().deploy(pool, &Layout::ONE_ARM).unwrap();
        let port = net.pool.vip.port().to_string();
        let _server = iperf3_server(&net.members[0].namespace, &["-p", &port]).unwrap();
        let (running, qlb) = run(&net, ROUND_ROBIN, &[1]);
        let vip = net.pool.vip.ip().to_string();
        for direction in [[].as_slice(), &["-R"]] {
            let client = net.client().namespace.command("iperf3").args(["-c", &vip, "-p", &port]);
            let text = client.args(["-n", "200M", "--json"]).args(direction).stdout().unwrap();
            let report: serde_json::Value = serde_json::from_str(&text).unwrap();
            let bytes = |sum: &str| report["end"][sum]["bytes"].as_u64().unwrap();
            assert!(bytes("sum_sent") >= BULK, "{report}");
            // What is on its way when all has been sent is not waited for.
            assert!(bytes("sum_received") > BULK / 2, "{report}");
        }
        finish((running, qlb, net), BULK / SEGMENT);
    }
}

/// XDP is told of no error, and sends no datagram that is longer than the MTU of its next hop.
#[test]
fn narrow_ways_are_found_through_native_xdp() {
    let bench = pmtu::bench();
    prepare(&bench.net);
    let mut run = bench.run_with(&XDP).unwrap();
    pmtu::narrow(&bench, pmtu::MEMBERS, "qr-51");
    pmtu::narrow(&bench, pmtu::CLIENTS, "qr-52");
    pmtu::transfer(&bench);
    assert!(pmtu::counters(&bench).iter().all(|errors| *errors > 0), "{}", bench.status());
    assert!(bench.counter("xdp_forwarded") > 2 * 1_000_000 / SEGMENT);
    bench.wait_idle();
    end(&mut run);
    assert_none(&bench.net);
}
