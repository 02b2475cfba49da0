//! Large transfers: every byte arrives, whoever computes the checksums.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::thread;

use lb_tests::capture::{Capture, assert_no_bad_checksums};
use lb_tests::counters::Counters;
use lb_tests::tcp::{Connection, FNV_START, fnv1a, pattern};
use lb_tests::topology::{Layout, SSH_POOL, SSH_POOL_V6, SeedPool};
use lb_tests::{Namespace, ethtool};

use crate::bench::Bench;
use crate::pool_file::LEAST_CONNECTIONS;

const BULK: usize = 200_000_000;

/// Payload of a full frame at most: MTU 1500 less IPv4 and TCP headers with timestamps. With IPv6 there
/// are more of them.
const SEGMENT: u64 = 1448;

/// No divisor of a power of two, so that blocks never line up with buffers.
const BLOCK: usize = 1_000_003;

fn bench(pool: &SeedPool) -> Bench {
    Bench::of(pool, &Layout::ONE_ARM, LEAST_CONNECTIONS, &[1, 1])
}

/// Sends `size` bytes to an echo server, all the while reading them back.
pub(crate) fn echo(connection: &Connection, size: usize) {
    let block = pattern(BLOCK);
    let (mut writer, mut reader) = (connection.stream(), connection.stream());
    let (sent, received) = thread::scope(|scope| {
        let sending = scope.spawn(|| {
            let (mut hash, mut left) = (FNV_START, size);
            while left > 0 {
                let chunk = &block[..left.min(BLOCK)];
                writer.write_all(chunk).unwrap();
                hash = fnv1a(hash, chunk);
                left -= chunk.len();
            }
            hash
        });
        let (mut hash, mut left, mut buffer) = (FNV_START, size, vec![0; 256 * 1024]);
        while left > 0 {
            let len = reader.read(&mut buffer).unwrap();
            assert!(len > 0, "end of stream with {left} bytes to come");
            hash = fnv1a(hash, &buffer[..len]);
            left -= len;
        }
        (sending.join().unwrap(), hash)
    });
    assert_eq!(sent, received, "hash of {size} bytes");
}

/// What receivers of the topology counted as corrupt, by namespace and counter.
pub(crate) fn corrupt(bench: &Bench) -> BTreeMap<String, i64> {
    const NAMES: [&str; 5] =
        ["TcpInCsumErrors", "TcpInErrs", "IpInHdrErrors", "IpExtInCsumErrors", "IcmpInCsumErrors"];
    let net = &bench.net;
    let hosts = [&net.vip, net.client()].into_iter().chain(&net.members);
    let count = |namespace: &Namespace| {
        let counters = Counters::read(namespace).unwrap();
        NAMES.map(|name| (format!("{} {name}", namespace.name()), counters.get(name)))
    };
    hosts.flat_map(|host| count(&host.namespace)).collect()
}

/// Bytes that [`echoed`] sends.
pub(crate) const ECHOED: usize = 20_000_000;

/// Sends them to the first member and back. Fails if client or member counts a packet as corrupt, or one is counted twice or not
/// at all; and if `finished`, unless all that comes from the VIP has right checksums at both.
pub(crate) fn echoed(bench: &Bench, finished: bool) {
    let (member, client) = (&bench.net.members[0], bench.net.client());
    let filter = format!("tcp and src host {}", bench.vip().ip());
    let capture = |namespace, device: &str| Capture::of_frames(namespace, device, &filter).unwrap();
    let mut captures =
        [capture(&member.namespace, "eth0"), capture(&client.namespace, &client.plugged().device)];
    let before = corrupt(bench);
    let connection = bench.connect();
    assert_eq!(connection.member, "m1");
    echo(&connection, ECHOED);
    connection.finish().unwrap();
    bench.wait_idle();
    assert_eq!(corrupt(bench), before);
    for capture in &mut captures {
        capture.stop().unwrap();
        if finished {
            assert_no_bad_checksums(&capture.path()).unwrap();
        }
    }
    let status = bench.counted_alike();
    let counters = &status["counters"];
    for name in ["drop_rewrite", "drop_inconsistent"] {
        assert_eq!(counters[name], 0, "{status}");
    }
}

/// The VIP's device and its port on the bridge compute no checksums for anybody.
fn set_tx(bench: &Bench, on: bool) {
    let vip = &bench.net.vip;
    let port = (bench.net.node.bridge().namespace(), vip.ports[0].host_name());
    for (namespace, device) in [(&vip.namespace, vip.plugged().device.as_str()), port] {
        ethtool::set(namespace, device, &[("tx", on)]).unwrap();
    }
}

fn retransmitted(bench: &Bench) -> u64 {
    let net = &bench.net;
    let hosts = [net.client()].into_iter().chain(&net.members);
    let sum: i64 =
        hosts.map(|host| Counters::read(&host.namespace).unwrap().get("TcpRetransSegs")).sum();
    sum.try_into().unwrap()
}

/// One bulk transfer; the packets the member's counters grew by, each way.
fn transfer(bench: &Bench) -> (u64, u64) {
    let before = (corrupt(bench), retransmitted(bench));
    let connection = bench.connect();
    let greeting = format!("{} {}\n", connection.member, connection.seen).len() as u64;
    echo(&connection, BULK);
    connection.finish().unwrap();
    bench.wait_idle();
    assert_eq!(corrupt(bench), before.0);
    let status = bench.status();
    let number = |field: &str| status[field].as_u64().unwrap();
    // A segment that was sent again was balanced again; a super packet is up to 64 KiB of them.
    let again = (retransmitted(bench) - before.1) * SEGMENT;
    let bulk = BULK as u64;
    assert!((bulk..=bulk + again).contains(&number("bytes_in")), "{status} {again}");
    let out = bulk + greeting;
    assert!((out..=out + again).contains(&number("bytes_out")), "{status} {again}");
    let sum = |field: &str| bench.members(field).iter().sum();
    (sum("packets_in"), sum("packets_out"))
}

#[test]
fn bulk_with_offloads_passes_as_super_packets() {
    for pool in [&SSH_POOL, &SSH_POOL_V6] {
        super_packets_stay_whole(&bench(pool));
    }
}

fn super_packets_stay_whole(bench: &Bench) {
    let _run = bench.run();
    let (packets_in, packets_out) = transfer(bench);
    // Plain segments and acknowledgements would be at least this many.
    let plain = BULK as u64 / SEGMENT;
    assert!(packets_in < plain / 4, "{packets_in} packets in, {plain} segments");
    assert!(packets_out < plain / 4, "{packets_out} packets out, {plain} segments");
}

#[test]
fn bulk_without_checksum_offload_at_the_vip_is_intact() {
    for pool in [&SSH_POOL, &SSH_POOL_V6] {
        let bench = bench(pool);
        set_tx(&bench, false);
        let device = bench.net.vip.plugged().device.clone();
        assert!(!ethtool::get(&bench.net.vip.namespace, &device, "tx-checksumming").unwrap());
        let _run = bench.run();
        transfer(&bench);
    }
}

#[test]
fn every_packet_on_the_wire_has_right_checksums() {
    for pool in [&SSH_POOL, &SSH_POOL_V6] {
        every_packet_is_right(&bench(pool));
    }
}

fn every_packet_is_right(bench: &Bench) {
    bench.net.set_offloads(false).unwrap();
    set_tx(bench, false);
    let _run = bench.run();
    let (member, client) = (&bench.net.members[0], bench.net.client());
    let capture = |namespace, device: &str| Capture::start(namespace, device, "tcp").unwrap();
    let mut at_member = capture(&member.namespace, "eth0");
    let mut at_client = capture(&client.namespace, &client.plugged().device);
    let before = corrupt(bench);
    let connection = bench.connect();
    assert_eq!(connection.member, "m1");
    echo(&connection, 2_000_000);
    connection.finish().unwrap();
    assert_eq!(corrupt(bench), before);
    at_member.stop().unwrap();
    at_client.stop().unwrap();
    for capture in [at_member, at_client] {
        // Both ways at a full frame each, at the least.
        let right = assert_no_bad_checksums(&capture.path()).unwrap();
        assert!(right as u64 > 2 * 2_000_000 / SEGMENT, "{right} packets");
    }
}
