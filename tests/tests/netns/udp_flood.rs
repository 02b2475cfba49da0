//! Datagrams that nobody answers, of clients that do not exist.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::thread;
use std::time::Duration;

use etherparse::PacketBuilder;
use lb_common::state::HALF_OPEN;
use lb_tests::dns::ask;
use lb_tests::wait_for;

use crate::bench::SOON;
use crate::flood::flood;
use crate::pool_file::ROUND_ROBIN;
use crate::udp::{Names, who};

/// Datagrams of the flood, each from an address and port of its own.
const DATAGRAMS: u32 = 200_000;

/// Datagrams between two looks at `qlb status`.
const LOOK: u32 = 10_000;

/// Flows that are there before.
const HELD: usize = 60;

/// By how much a walk through entries that come and go may be wrong.
const SLACK: u64 = 1_000;

/// Times that a question may be lost: a member has room for so many datagrams only.
const TRIES: usize = 50;

/// A datagram that no DNS server understands, of a client in 198.18.0.0/15, which is for tests (RFC 2544).
fn spoofed(number: u32, vip: SocketAddrV4) -> Vec<u8> {
    let host = Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 0, 1).to_bits() + number / 16);
    let port = 1_024 + (number.wrapping_mul(2_654_435_769) >> 17) as u16;
    let mut packet = Vec::with_capacity(40);
    PacketBuilder::ipv4(host.octets(), vip.ip().octets(), 64)
        .udp(port, vip.port())
        .write(&mut packet, b"?")
        .unwrap();
    packet
}

/// The member that answers at last.
fn who_at_last(socket: &UdpSocket, number: u16) -> String {
    let name = format!("h{}.test", number % 100);
    let mut tries = (0..TRIES).filter_map(|_| ask(socket, number, &name).ok());
    let (member, answered) = tries.next().expect("an answer at last");
    assert_eq!(answered, name);
    member
}

#[test]
fn a_flood_without_answers_fills_nothing_but_its_own_places() {
    let mut names = Names::new(ROUND_ROBIN, &[1, 1]);
    names.bench.pool = names.bench.pool.timeouts(&[("connect", 1_000)]);
    let bench = &names.bench;
    let _run = bench.run();
    let held: Vec<UdpSocket> = (0..HELD).map(|number| names.socket(number % 3)).collect();
    let before: Vec<String> = held.iter().map(|socket| who(socket, 1)).collect();
    held.iter().for_each(|socket| {
        socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    });

    let mut told = BTreeSet::new();
    let after = thread::scope(|scope| {
        let asking = scope.spawn(|| -> Vec<String> {
            held.iter().map(|socket| who_at_last(socket, 2)).collect()
        });
        flood(bench, DATAGRAMS, spoofed, |sent| {
            if sent % LOOK == 0 {
                told.insert(bench.status()["conntrack"]["entries"].as_u64().unwrap());
            }
        });
        asking.join().unwrap()
    });
    assert_eq!(after, before, "flows that were answered stay where they are");

    let come = bench.counter("connection_opened");
    assert!(come > u64::from(DATAGRAMS) * 9 / 10, "{come} datagrams came through");
    assert!(bench.counter("half_open_crowded_out") > u64::from(DATAGRAMS) / 2);
    assert_eq!(bench.counter("refuse_table_full"), 0);
    assert_eq!(bench.counter("connection_reopened"), 0, "no flow that was there began anew");
    let cpus = thread::available_parallelism().unwrap().get();
    let cap = 2 * (u64::from(HALF_OPEN) + (HELD + cpus) as u64) + SLACK;
    assert!(told.last() <= Some(&cap), "{told:?} entries, {cap} at most");

    let emptied = || match bench.status()["conntrack"]["entries"].as_u64().unwrap() {
        left if left <= 2 * HELD as u64 => Ok(()),
        left => Err(format!("{left} entries")),
    };
    wait_for(emptied, SOON, "the flood's entries go").unwrap();
}
