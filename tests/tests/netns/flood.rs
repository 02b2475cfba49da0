//! SYNs of clients that do not exist.

use std::collections::BTreeSet;
use std::io::IoSlice;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::AsRawFd as _;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use etherparse::PacketBuilder;
use lb_common::state::HALF_OPEN;
use lb_tests::counters::Counters;
use lb_tests::tcp::{Connection, pattern};
use lb_tests::wait_for;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, MultiHeaders, SockFlag, SockProtocol, SockType, SockaddrIn, sendmmsg,
    socket,
};

use crate::bench::{Bench, SOON};
use crate::memory::Memory;
use crate::pool_file::ROUND_ROBIN;

/// SYNs of the flood, each from an address and port of its own.
const SYNS: u32 = 1_000_000;

/// SYNs in one call of the kernel.
const BURST: u32 = 500;

/// SYNs between two looks at `qlb status`.
const LOOK: u32 = 50_000;

/// Connections that are there before.
const HELD: usize = 200;

/// By how much a walk through entries that come and go may be wrong: some tens of thousands of them change in a second,
/// and a walk takes hundredths of one.
const SLACK: u64 = 1_000;

/// Threads that keep them busy.
const HANDS: usize = 2;

/// Most entries while the flood lasts: two for each connection that was there, for each place of a half-open one, and
/// for what CPUs are just opening.
fn cap() -> u64 {
    let cpus = thread::available_parallelism().unwrap().get();
    2 * (u64::from(HALF_OPEN) + (HELD + cpus) as u64)
}

/// SYN of a client in 198.18.0.0/15, which is for tests (RFC 2544) and routed nowhere here. Port and sequence number
/// are spread by a multiplicative hash (Knuth, 6.4), as those of real floods are.
fn spoofed(number: u32, vip: SocketAddrV4) -> Vec<u8> {
    let host = Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 0, 1).to_bits() + number / 16);
    let hash = number.wrapping_mul(2_654_435_769);
    let port = 1_024 + (hash >> 17) as u16;
    let mut packet = Vec::with_capacity(40);
    PacketBuilder::ipv4(host.octets(), vip.ip().octets(), 64)
        .tcp(port, vip.port(), hash, 64_240)
        .syn()
        .write(&mut packet, &[])
        .unwrap();
    packet
}

/// Sends `count` packets, each made by its number, from the client's namespace; between bursts `look` is told how many
/// there were.
pub(crate) fn flood(
    bench: &Bench,
    count: u32,
    packet: fn(u32, SocketAddrV4) -> Vec<u8>,
    mut look: impl FnMut(u32) + Send,
) {
    let SocketAddr::V4(vip) = bench.vip() else { panic!("{}", bench.vip()) };
    let send = || {
        let raw = socket(AddressFamily::Inet, SockType::Raw, SockFlag::empty(), SockProtocol::Raw);
        let raw = raw.unwrap();
        let to = [Some(SockaddrIn::from(vip)); BURST as usize];
        let mut headers = MultiHeaders::preallocate(BURST as usize, None);
        for first in (0..count).step_by(BURST as usize) {
            look(first);
            let burst: Vec<_> = (first..first + BURST).map(|number| packet(number, vip)).collect();
            let burst: Vec<_> = burst.iter().map(|packet| [IoSlice::new(packet)]).collect();
            let mut left = burst.as_slice();
            while !left.is_empty() {
                let (raw, flags) = (raw.as_raw_fd(), MsgFlags::empty());
                match sendmmsg(raw, &mut headers, left, &to[..left.len()], [], flags) {
                    Ok(sent) => left = &left[sent.count()..],
                    // The device takes no more just now.
                    Err(Errno::ENOBUFS) => thread::yield_now(),
                    Err(error) => panic!("{error}"),
                }
            }
        }
    };
    bench.net.client().namespace.run(send).unwrap();
}

/// Sends a block over every connection and reads it back, as long as there are SYNs to do it beside; how often. All
/// have bytes on their way nearly all the time.
fn transfer(connections: &mut [Connection], beside: &Receiver<()>) -> u64 {
    let block = pattern(2_000);
    let mut rounds = 0;
    while beside.recv().is_ok() {
        connections.iter_mut().for_each(|connection| connection.send(&block).unwrap());
        connections.iter_mut().for_each(|connection| connection.expect(&block).unwrap());
        rounds += 1;
    }
    rounds
}

/// The flood, and the connections that are there all the while; how often all of them had their answer.
fn flood_beside(bench: &Bench, held: &mut [Connection], mut look: impl FnMut(u32) + Send) -> u64 {
    thread::scope(|scope| {
        let hand = |some| {
            let (go, beside) = sync_channel(1);
            (go, scope.spawn(move || transfer(some, &beside)))
        };
        let (going, hands): (Vec<_>, Vec<_>) = held.chunks_mut(HELD / HANDS).map(hand).unzip();
        flood(bench, SYNS, spoofed, |sent| {
            // A hand that is still busy with the last round is told already.
            going.iter().for_each(|go| _ = go.try_send(()));
            look(sent);
        });
        drop(going);
        hands.into_iter().map(|hand| hand.join().unwrap()).min().unwrap()
    })
}

#[test]
fn a_flood_of_syns_fills_nothing_but_its_own_places() {
    let mut bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    bench.pool = bench.pool.timeouts(&[("connect", 1_000)]);
    let _run = bench.run();
    let memory = Memory::of(&bench.pool.id, "FLOWS");
    let empty = memory.used();
    let mut held = bench.hold(HELD);
    let each = (memory.used() - empty) / (2 * HELD as u64);
    let entries = || (memory.used() - empty) / each;
    assert_eq!(entries(), bench.status()["conntrack"]["entries"]);

    let (mut used, mut told) = (BTreeSet::new(), BTreeSet::new());
    let rounds = flood_beside(&bench, &mut held, |sent| {
        used.insert(entries());
        if sent % LOOK == 0 {
            told.insert(bench.status()["conntrack"]["entries"].as_u64().unwrap());
        }
    });

    // At once: nothing has had time to expire, and a SYN that is lost is sent again, which the kernel counts.
    let counters = || Counters::read(&bench.net.client().namespace).unwrap();
    let at_once = || {
        let before = counters();
        bench.connect().exchange(b"hello").unwrap();
        !counters().since(&before).contains_key("TcpExtTCPSynRetrans")
    };
    // A machine that stops for a second sends one again; a datapath that is full does so each time.
    assert!((0..3).any(|_| at_once()), "each SYN was sent again");
    for connection in &mut held {
        connection.exchange(b"still here").unwrap();
    }

    let come = bench.counter("connection_opened");
    assert!(come > u64::from(SYNS) * 9 / 10, "{come} SYNs came through");
    assert!(bench.counter("half_open_crowded_out") > u64::from(SYNS) / 2);
    assert_eq!(bench.counter("refuse_table_full"), 0);
    // Each waits for the slowest of two hundred threads, beside a flood that takes all there is of a CPU.
    assert!(rounds >= 10, "{rounds} rounds of transfers beside the flood");
    assert!(used.last() <= Some(&cap()), "{used:?} entries, {} at most", cap());
    assert!(told.last() <= Some(&(cap() + SLACK)), "{told:?} entries, {} at most", cap());

    let emptied = || match entries() {
        left if left <= 2 * (HELD as u64 + 1) => Ok(()),
        left => Err(format!("{left} entries")),
    };
    wait_for(emptied, SOON, "the flood's entries go").unwrap();
}
