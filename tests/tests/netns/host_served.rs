//! Traffic by way of the outer end: every byte arrives, every checksum is right, every packet is counted once.

use lb_tests::topology::{Layout, PoolNet, SSH_POOL, SSH_POOL_V6, WEB_POOL, WEB_POOL_V6};
use lb_tests::{Process, Qlb, SshKeys};

use crate::bench::{Bench, end};
use crate::bulk::{ECHOED, echoed};
use crate::host::HOST;
use crate::pmtu;
use crate::pool_file::ROUND_ROBIN;
use crate::seen::{
    SIZE, STREAM, a_large_file_through, finish, iperf3_through, run_with, ssh_through,
};
use crate::traces::assert_none;

/// What has gone by.
const COUNTER: &str = "outer_forwarded";

/// Bytes of the largest packet (GSO).
const LARGEST: u64 = 65_536;

pub(crate) fn run(net: &PoolNet, method: &'static str, weights: &[u32]) -> (Process, Qlb) {
    run_with(net, method, weights, &HOST)
}

#[test]
fn ssh_by_the_outer_end() {
    let keys = SshKeys::generate().unwrap();
    for pool in [&SSH_POOL, &SSH_POOL_V6] {
        finish(ssh_through(pool, &keys, run), COUNTER, 20);
    }
}

#[test]
fn a_large_file_over_http_by_the_outer_end() {
    finish(a_large_file_through(&WEB_POOL_V6, run), COUNTER, 2 * SIZE as u64 / LARGEST);
}

#[test]
fn iperf3_by_the_outer_end() {
    finish(iperf3_through(&WEB_POOL, run), COUNTER, STREAM / LARGEST);
}

/// Clients and members are behind routers, which are the next hops.
#[test]
fn narrow_ways_are_found_by_the_outer_end() {
    let bench = pmtu::bench();
    let mut controller = bench.run_with(&HOST).unwrap();
    pmtu::narrow(&bench, pmtu::MEMBERS, "qr-51");
    pmtu::narrow(&bench, pmtu::CLIENTS, "qr-52");
    pmtu::transfer(&bench);
    assert!(pmtu::counters(&bench).iter().all(|errors| *errors > 0), "{}", bench.status());
    assert!(bench.counter(COUNTER) > 2 * 1_000_000 / LARGEST);
    bench.wait_idle();
    end(&mut controller);
    assert_none(&bench.net);
}

#[test]
fn every_checksum_is_right() {
    for offloads in [true, false] {
        for pool in [&SSH_POOL, &SSH_POOL_V6] {
            let bench = Bench::of(pool, &Layout::ONE_ARM, ROUND_ROBIN, &[1]);
            bench.net.set_offloads(offloads).unwrap();
            let mut controller = bench.run_with(&HOST).unwrap();
            let before = bench.counter(COUNTER);
            // Without offloads, what comes from the VIP is what a wire would carry.
            echoed(&bench, !offloads);
            let went = bench.counter(COUNTER) - before;
            assert!(went > 2 * ECHOED as u64 / LARGEST, "{went} went by");
            end(&mut controller);
            assert_none(&bench.net);
        }
    }
}
