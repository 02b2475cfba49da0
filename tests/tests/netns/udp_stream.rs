//! A stream of datagrams, beside the TCP connection that controls it: two pools on one VIP.

use std::net::{IpAddr, UdpSocket};

use lb_tests::counters::Counters;
use lb_tests::dns;
use lb_tests::iperf3_server;
use lb_tests::tcp::pattern;
use lb_tests::topology::{Host, Layout, SSH_POOL, SSH_POOL_V6};
use nix::libc;
use nix::setsockopt_impl;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::SetStruct;
use serde_json::Value;

use crate::bench::{Bench, SOON};
use crate::pool_file::{PoolFile, ROUND_ROBIN};
use crate::udp::PATIENCE;

/// The port of iperf3.
const PORT: u16 = 5201;

/// The pool of UDP and that of the connection that controls it, both on the bench's VIP.
pub(crate) fn both(pool: &PoolFile) -> [PoolFile; 2] {
    let udp = pool.clone().udp(PORT);
    let tcp = PoolFile { protocol: "TCP", ..udp.clone() };
    [udp, tcp.at("control", PORT)]
}

/// Sends a stream through the VIP by iperf3, with these options; returns how many datagrams it had. None may be lost but
/// those that came and found no room: iperf3 reads when it gets to run.
pub(crate) fn stream(client: &Host, member: &Host, vip: IpAddr, options: &str) -> u64 {
    let crowded = || -> i64 {
        let hosts = [client, member].map(|host| Counters::read(&host.namespace).unwrap());
        let of = |counters: &Counters| {
            counters.get("UdpRcvbufErrors") + counters.get("Udp6RcvbufErrors")
        };
        hosts.iter().map(of).sum()
    };
    let before = crowded();
    let mut server = iperf3_server(&member.namespace, &["-1"]).unwrap();
    let vip = vip.to_string();
    let command = client.namespace.command("iperf3").args(["-J", "-u", "-c", &vip]);
    let text = command.args(options.split(' ')).stdout().unwrap();
    let report: Value = serde_json::from_str(&text).unwrap();
    assert!(server.wait(SOON).unwrap().success());
    let sum = &report["end"]["sum"];
    let lost = sum["lost_packets"].as_i64().unwrap();
    assert!(lost <= crowded() - before, "{options}: {sum}");
    sum["packets"].as_u64().unwrap()
}

#[test]
fn nothing_of_a_stream_is_lost_in_either_direction() {
    for pool in [&SSH_POOL, &SSH_POOL_V6] {
        stream_both_ways(&Bench::of(pool, &Layout::ONE_ARM, ROUND_ROBIN, &[1]));
    }
}

fn stream_both_ways(bench: &Bench) {
    let file = bench.write("both.yaml", &both(&bench.pool));
    let _run = bench.qlb.run(["-f".as_ref(), file.as_os_str()]).unwrap();
    let (client, member) = (bench.net.client(), &bench.net.members[0]);
    for (options, sent) in [("-b 20M -n 8M", "packets_in"), ("-b 20M -n 8M -R", "packets_out")] {
        let before = bench.members(sent)[0];
        let packets = stream(client, member, bench.vip().ip(), options);
        assert!(packets > 5_000, "{packets}");
        let passed = bench.members(sent)[0] - before;
        assert!(passed >= packets, "{passed} of {packets} through the VIP");
    }
    for host in [member, client] {
        let counters = Counters::read(&host.namespace).unwrap();
        for name in ["UdpInCsumErrors", "Udp6InCsumErrors"] {
            assert_eq!(counters.get(name), 0, "{name} of {}", host.name());
        }
    }
}

/// Cuts what is sent into datagrams of so many bytes, as late as possible (udp(7)).
#[derive(Clone, Copy)]
struct Segment;
setsockopt_impl!(Segment, libc::SOL_UDP, libc::UDP_SEGMENT, libc::c_int, SetStruct<libc::c_int>);

const SEGMENT: usize = 1_000;
const SEGMENTS: usize = 20;

/// A packet of many datagrams crosses as one (GSO), and each of them has a right checksum in the end.
#[test]
fn many_datagrams_in_one_packet() {
    for pool in [&SSH_POOL, &SSH_POOL_V6] {
        let mut bench = Bench::of(pool, &Layout::ONE_ARM, ROUND_ROBIN, &[1]);
        bench.pool = bench.pool.udp(PORT);
        let (vip, address) = (bench.vip(), bench.pool.members[0].address);
        let client = &bench.net.client().namespace;
        let client = client.run(|| dns::socket(vip, PATIENCE)).unwrap().unwrap();
        let member = &bench.net.members[0].namespace;
        let member = member.run(|| UdpSocket::bind(address)).unwrap().unwrap();
        member.set_read_timeout(Some(PATIENCE)).unwrap();
        let _run = bench.run();

        let data = pattern(SEGMENT * SEGMENTS);
        let mut received = vec![0; data.len()];
        setsockopt(&client, Segment, &(SEGMENT as libc::c_int)).unwrap();
        assert_eq!(client.send(&data).unwrap(), data.len());
        let mut from = None;
        for sent in data.chunks(SEGMENT) {
            let (len, seen) = member.recv_from(&mut received).unwrap();
            assert!(received[..len] == *sent);
            from = Some(seen);
        }
        setsockopt(&member, Segment, &(SEGMENT as libc::c_int)).unwrap();
        member.send_to(&data, from.unwrap()).unwrap();
        for sent in data.chunks(SEGMENT) {
            let len = client.recv(&mut received).unwrap();
            assert!(received[..len] == *sent);
        }
        for way in ["packets_in", "packets_out"] {
            assert_eq!(bench.members(way), [1], "{way}: one packet");
        }
        for way in ["bytes_in", "bytes_out"] {
            assert_eq!(bench.members(way), [data.len() as u64], "{way}");
        }
    }
}
