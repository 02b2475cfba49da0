//! SYNs of clients that do not exist.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsRawFd as _;

use etherparse::PacketBuilder;
use lb_common::state::HALF_OPEN;
use lb_tests::tcp::pattern;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, sendto, socket,
};

use crate::bench::Bench;
use crate::pool_file::ROUND_ROBIN;

/// SYNs of the flood, each from an address and port of its own.
const SYNS: u32 = 200_000;

/// Connections that are there before.
const HELD: usize = 100;

/// A client of 198.18.0.0/15, which is for tests (RFC 2544) and routed nowhere here.
fn spoofed(number: u32) -> SocketAddrV4 {
    let host = Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 0, 1).to_bits() + number / 64);
    SocketAddrV4::new(host, 2_000 + (number % 64) as u16)
}

/// Sends the flood from the client's namespace; returns how many SYNs the kernel took.
fn flood(bench: &Bench) -> u32 {
    let vip = bench.vip();
    let send = || {
        let raw = socket(AddressFamily::Inet, SockType::Raw, SockFlag::empty(), SockProtocol::Raw);
        let raw = raw.unwrap();
        let mut sent = 0;
        for number in 0..SYNS {
            let from = spoofed(number);
            let mut packet = Vec::with_capacity(40);
            PacketBuilder::ipv4(from.ip().octets(), vip.ip().octets(), 64)
                .tcp(from.port(), vip.port(), number, 64_240)
                .syn()
                .write(&mut packet, &[])
                .unwrap();
            match sendto(raw.as_raw_fd(), &packet, &SockaddrIn::from(vip), MsgFlags::empty()) {
                Ok(_) => sent += 1,
                Err(Errno::ENOBUFS) => {}
                Err(error) => panic!("{error}"),
            }
        }
        sent
    };
    bench.net.client().namespace.run(send).unwrap()
}

#[test]
fn a_flood_of_syns_fills_nothing_but_its_own_places() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let _run = bench.run();
    let mut held = bench.hold(HELD);
    let sent = std::thread::scope(|scope| {
        let flooding = scope.spawn(|| flood(&bench));
        // While it lasts, what is established goes on.
        while !flooding.is_finished() {
            for connection in &mut held {
                connection.exchange(&pattern(2_000)).unwrap();
            }
        }
        flooding.join().unwrap()
    });
    assert!(sent > SYNS / 2, "{sent} of {SYNS} sent");

    let most = u64::from(HALF_OPEN) + HELD as u64;
    let open = bench.members("active_connections").iter().sum::<u64>();
    assert!(open <= most, "{open} connections, {most} at most");
    let entries = bench.status()["conntrack"]["entries"].as_u64().unwrap();
    // Two for each, and one of each that was removed since the last sweep may wait for the next.
    assert!(entries <= 3 * most, "{entries} entries, {} at most", 3 * most);
    assert!(bench.counter("half_open_crowded_out") > 0);

    // The service goes on.
    bench.connect().exchange(b"hello").unwrap();
    for connection in &mut held {
        connection.exchange(b"still here").unwrap();
    }
}
