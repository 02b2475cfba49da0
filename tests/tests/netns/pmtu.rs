//! Ways that are narrower than the first hop, and ways that are too long: ICMP errors reach the end that can do
//! something about them.

use std::io::IoSliceMut;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::AsRawFd;

use lb_tests::capture::{Capture, assert_no_bad_checksums};
use lb_tests::counters::Counters;
use lb_tests::tcp::pattern;
use lb_tests::topology::{Host, Layout};
use nix::errno::Errno;
use nix::sys::socket::sockopt::{Ipv4RecvErr, Ipv4Ttl};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockType, SockaddrIn, connect, recvmsg,
    setsockopt, socket,
};

use crate::bench::Bench;
use crate::pool_file::ROUND_ROBIN;

const NARROW: &str = "1280";

/// Behind the router, which is the next hop of everybody.
pub(crate) const MEMBERS: &str = "192.168.51.0/24";
pub(crate) const CLIENTS: &str = "192.168.52.0/24";

/// Everybody behind the router.
pub(crate) fn bench() -> Bench {
    Bench::with_layout(&Layout::ROUTED, ROUND_ROBIN, &[1, 1])
}

/// The router's way to this subnet takes small datagrams only.
pub(crate) fn narrow(bench: &Bench, subnet: &str, device: &str) {
    let router = bench.net.router.as_ref().unwrap();
    let args = ["route", "change", subnet, "dev", device, "mtu", NARROW];
    router.namespace.command("ip").args(args).stdout().unwrap();
}

pub(crate) fn counters(bench: &Bench) -> [u64; 2] {
    ["icmp_to_client", "icmp_to_member"].map(|name| bench.counter(name))
}

/// The path MTU to `to` that a host has learnt.
fn learnt(host: &Host, to: Ipv4Addr) -> Option<String> {
    let args = ["route", "get", &to.to_string()];
    let route = host.namespace.command("ip").args(args).stdout().unwrap();
    let mut words = route.split_whitespace();
    words.find(|word| *word == "mtu")?;
    words.next().map(str::to_owned)
}

/// A megabyte there and back, each datagram larger than the narrow way takes until the ends know of it.
pub(crate) fn transfer(bench: &Bench) {
    let mut connection = bench.connect();
    assert_eq!(connection.member, "m1");
    connection.exchange(&pattern(1_000_000)).unwrap();
    connection.finish().unwrap();
}

#[test]
fn a_narrow_way_to_the_members_is_found_by_the_client() {
    let bench = bench();
    let _run = bench.run();
    narrow(&bench, MEMBERS, "qr-51");
    transfer(&bench);
    let [to_client, to_member] = counters(&bench);
    assert!(
        to_client > 0 && to_member == 0,
        "{to_client} to the client, {to_member} to the member"
    );
    let (client, vip) = (bench.net.client(), vip(&bench).ip().to_owned());
    assert_eq!(learnt(client, vip).as_deref(), Some(NARROW));
    assert_eq!(learnt(&bench.net.members[0], vip), None);
    bench.wait_idle();
}

#[test]
fn a_narrow_way_to_the_clients_is_found_by_the_member() {
    let bench = bench();
    let _run = bench.run();
    narrow(&bench, CLIENTS, "qr-52");
    transfer(&bench);
    let [to_client, to_member] = counters(&bench);
    assert!(
        to_member > 0 && to_client == 0,
        "{to_client} to the client, {to_member} to the member"
    );
    let (client, vip) = (bench.net.client(), vip(&bench).ip().to_owned());
    assert_eq!(learnt(&bench.net.members[0], vip).as_deref(), Some(NARROW));
    assert_eq!(learnt(client, vip), None);
    bench.wait_idle();
}

#[test]
fn every_error_on_the_wire_has_right_checksums() {
    let bench = bench();
    bench.net.set_offloads(false).unwrap();
    let _run = bench.run();
    narrow(&bench, MEMBERS, "qr-51");
    narrow(&bench, CLIENTS, "qr-52");
    let ends = [bench.net.client(), &bench.net.members[0]];
    let captures = ends.map(|host| {
        let device = &host.plugged().device;
        Capture::start(&host.namespace, device, "tcp or icmp").unwrap()
    });
    let bad = || ends.map(|host| Counters::read(&host.namespace).unwrap().get("IcmpInCsumErrors"));
    let before = bad();
    transfer(&bench);
    assert_eq!(bad(), before);
    let vip = bench.vip().ip().to_string();
    for mut capture in captures {
        capture.stop().unwrap();
        assert_no_bad_checksums(&capture.path()).unwrap();
        let lines = capture.lines(&[]).unwrap();
        let errors: Vec<_> = lines.iter().filter(|line| line.contains("need to frag")).collect();
        // None of them tells who is behind the VIP.
        let hidden = errors.iter().all(|line| line.contains(&format!("IP {vip} >")));
        assert!(!errors.is_empty() && hidden, "{errors:?}");
    }
    bench.wait_idle();
}

/// The listener of a network in IPv4.
fn vip(bench: &Bench) -> SocketAddrV4 {
    match bench.vip() {
        SocketAddr::V4(vip) => vip,
        SocketAddr::V6(vip) => panic!("{vip} is not IPv4"),
    }
}

/// What a client finds that asks with datagrams that take so many hops at most: who gave up on one, or nobody if the
/// VIP answered.
fn hop(client: &Host, to: SocketAddrV4, hops: i32) -> Option<Ipv4Addr> {
    let attempt = || {
        let fd = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None);
        let fd = fd.unwrap();
        setsockopt(&fd, Ipv4Ttl, &hops).unwrap();
        setsockopt(&fd, Ipv4RecvErr, &true).unwrap();
        match connect(fd.as_raw_fd(), &SockaddrIn::from(to)) {
            Ok(()) => return None,
            Err(error) => assert_eq!(error, Errno::EHOSTUNREACH),
        }
        let (mut bytes, mut control) = ([0; 512], nix::cmsg_space!([u8; 64]));
        let mut room = [IoSliceMut::new(&mut bytes)];
        let flags = MsgFlags::MSG_ERRQUEUE;
        let message =
            recvmsg::<SockaddrIn>(fd.as_raw_fd(), &mut room, Some(&mut control), flags).unwrap();
        message.cmsgs().unwrap().find_map(|cmsg| {
            let ControlMessageOwned::Ipv4RecvErr(_, offender) = cmsg else { return None };
            offender.map(|host| Ipv4Addr::from(u32::from_be(host.sin_addr.s_addr)))
        })
    };
    client.namespace.run(attempt).unwrap()
}

#[test]
fn a_trace_of_the_way_leads_to_the_vip_and_shows_nobody_behind_it() {
    let bench = bench();
    let _run = bench.run();
    let (client, vip) = (bench.net.client(), vip(&bench));
    // The router; the VIP, when the router gives up behind it; the member answers as the VIP.
    let gateway = Ipv4Addr::new(192, 168, 52, 1);
    let found = [1, 2, 3].map(|hops| hop(client, vip, hops));
    assert_eq!(found, [Some(gateway), Some(*vip.ip()), None]);
    // A client that is busy when the error comes asks once more before it gives up.
    let [to_client, to_member] = counters(&bench);
    assert!((1..=2).contains(&to_client) && to_member == 0, "{to_client}, {to_member}");
    // That says nothing about whether the member accepts.
    assert_eq!(bench.counter("redispatched_refused"), 0);
}
