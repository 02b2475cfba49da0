//! Traffic through native XDP on a veth: every byte arrives, every checksum is right, every packet is counted once.

use lb_tests::topology::{PoolNet, SSH_POOL, SSH_POOL_V6, WEB_POOL, WEB_POOL_V6};
use lb_tests::{Process, Qlb, SshKeys, ethtool};

use crate::bench::{Bench, end};
use crate::bulk::{ECHOED, corrupt, echo, echoed};
use crate::pmtu;
use crate::seen::{
    SIZE, STREAM, a_large_file_through, finish, iperf3_through, run_with, ssh_through,
};
use crate::traces::assert_none;
use crate::xdp::{XDP, prepare, prepared};

/// What the XDP program has forwarded.
const COUNTER: &str = "xdp_forwarded";

/// Payload of a full frame: MTU 1500 less IPv4 and TCP headers with timestamps.
const SEGMENT: u64 = 1448;

/// What [`echoed`] says; and how many packets the XDP program forwarded meanwhile, and how many were left to TC because of their
/// checksum.
fn oracle(bench: &Bench) -> (u64, u64) {
    let counted = || [COUNTER, "xdp_pass_partial"].map(|name| bench.counter(name));
    let [forwarded, partial] = counted();
    // Larger frames are put together by GRO, which has summed up every segment before.
    echoed(bench, true);
    let now = counted();
    (now[0] - forwarded, now[1] - partial)
}

/// A frame for each segment, both ways, at the least.
fn at_least(forwarded: u64) {
    assert!(forwarded > 2 * ECHOED as u64 / SEGMENT, "{forwarded} packets forwarded by XDP");
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
        echo(&connection, ECHOED);
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

#[test]
fn ssh_through_native_xdp() {
    let keys = SshKeys::generate().unwrap();
    for pool in [&SSH_POOL, &SSH_POOL_V6] {
        finish(ssh_through(pool, &keys, run), COUNTER, 20);
    }
}

#[test]
fn a_large_file_over_http_through_native_xdp() {
    for pool in [&WEB_POOL, &WEB_POOL_V6] {
        finish(a_large_file_through(pool, run), COUNTER, 2 * SIZE as u64 / SEGMENT);
    }
}

#[test]
fn iperf3_through_native_xdp() {
    for pool in [&WEB_POOL, &WEB_POOL_V6] {
        finish(iperf3_through(pool, run), COUNTER, STREAM / SEGMENT);
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
