//! What only IPv6 has: neighbour discovery, link-local addresses, extension headers.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpStream};

use lb_tests::counters::Counters;
use lb_tests::tcp::pattern;
use lb_tests::topology::{Host, Layout, SSH_POOL, SSH_POOL_V6};
use lb_tests::wait_until;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, connect, setsockopt, socket,
    sockopt::SetStruct,
};
use nix::{libc, setsockopt_impl};
use std::io::{Read as _, Write as _};
use std::os::fd::AsRawFd as _;

use crate::bench::{Bench, SOON};
use crate::ping::ping;
use crate::pool_file::ROUND_ROBIN;

fn bench() -> Bench {
    Bench::of(&SSH_POOL_V6, &Layout::ONE_ARM, ROUND_ROBIN, &[1, 1])
}

/// What `ip neigh` of a host knows of an address.
fn neighbour(host: &Host, address: IpAddr) -> String {
    let all = host.namespace.command("ip").args(["-6", "neigh", "show"]).stdout().unwrap();
    let mut lines = all.lines().filter(|line| line.starts_with(&format!("{address} ")));
    lines.next().unwrap_or_default().to_owned()
}

#[test]
fn the_vip_answers_ping_and_neighbour_solicitations() {
    let bench = bench();
    let _run = bench.run();
    let (client, vip) = (bench.net.client(), bench.vip().ip());
    let flush = ["-6", "neigh", "flush", "all"];
    for host in [client, &bench.net.vip] {
        host.namespace.command("ip").args(flush).stdout().unwrap();
    }
    let before = Counters::read(&bench.net.vip.namespace).unwrap();
    let large = pattern(5_000);
    for payload in [b"small".as_slice(), &large] {
        assert!(ping(client, vip, payload) == payload);
    }
    assert!(neighbour(client, vip).contains("fa:16:3e:68:77:37"), "{}", neighbour(client, vip));
    let member = bench.net.members[0].address();
    assert_eq!(ping(&bench.net.vip, member, b"x"), b"x");
    let grown =
        |name: &str| Counters::read(&bench.net.vip.namespace).unwrap().get(name) - before.get(name);
    assert!(grown("Icmp6InNeighborSolicits") >= 1 && grown("Icmp6InNeighborAdvertisements") >= 1);
    // Nothing of it is ours.
    assert_eq!(bench.status()["connections"]["total"], 0);
    assert!(bench.counter("pass_not_tcp") >= 5);
}

/// The link-local address that a device has of its own.
fn link_local(host: &Host) -> Ipv6Addr {
    let [a, b, c, d, e, f] = host.plugged().mac;
    let pair = |high: u8, low: u8| u16::from_be_bytes([high, low]);
    // RFC 4291 appendix A.
    Ipv6Addr::new(0xfe80, 0, 0, 0, pair(a ^ 2, b), pair(c, 0xff), pair(0xfe, d), pair(e, f))
}

#[test]
fn a_client_may_have_a_link_local_address() {
    let bench = bench();
    let _run = bench.run();
    let client = bench.net.client();
    let from = link_local(client);
    let mut connection = client
        .namespace
        .run(|| {
            let device = &client.plugged().device;
            let scope = nix::net::if_::if_nametoindex(device.as_str()).unwrap();
            let fd = socket(AddressFamily::Inet6, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)
                .unwrap();
            let from = SocketAddr::V6(SocketAddrV6::new(from, 0, 0, scope));
            nix::sys::socket::bind(fd.as_raw_fd(), &SockaddrStorage::from(from)).unwrap();
            connect(fd.as_raw_fd(), &SockaddrStorage::from(bench.vip())).unwrap();
            TcpStream::from(fd)
        })
        .unwrap();
    echoes(&mut connection, bench.vip().ip());
    let client = bench.conns()[0]["client"].as_str().unwrap().to_owned();
    assert!(client.starts_with(&format!("[{from}]:")), "{client}");
}

/// The greeting names the VIP, and bytes come back.
fn echoes(connection: &mut TcpStream, seen: IpAddr) {
    connection.set_read_timeout(Some(SOON)).unwrap();
    let greeting = format!("m1 [{seen}]:");
    let mut told = vec![0; greeting.len()];
    connection.read_exact(&mut told).unwrap();
    assert_eq!(String::from_utf8(told).unwrap(), greeting);
    let mut rest = [0];
    while rest != *b"\n" {
        connection.read_exact(&mut rest).unwrap();
    }
    let data = pattern(60_000);
    connection.write_all(&data).unwrap();
    let mut back = vec![0; data.len()];
    connection.read_exact(&mut back).unwrap();
    assert!(back == data);
}

/// A header of destination options for all packets of a socket (RFC 3542 section 9.2): padding only.
#[derive(Clone, Copy)]
struct DestinationOptions;
setsockopt_impl!(
    DestinationOptions,
    libc::IPPROTO_IPV6,
    libc::IPV6_DSTOPTS,
    [u8; 8],
    SetStruct<[u8; 8]>
);

#[test]
fn a_client_may_send_extension_headers() {
    let bench = bench();
    let _run = bench.run();
    let member = &bench.net.members[0];
    let mut capture = crate::reset::capture(member, "ip6 and ip6[6] == 60");
    let mut connection = bench
        .net
        .client()
        .namespace
        .run(|| {
            let (family, flags) = (AddressFamily::Inet6, SockFlag::SOCK_CLOEXEC);
            let fd = socket(family, SockType::Stream, flags, None).unwrap();
            setsockopt(&fd, DestinationOptions, &[0, 0, 1, 4, 0, 0, 0, 0]).unwrap();
            connect(fd.as_raw_fd(), &SockaddrStorage::from(bench.vip())).unwrap();
            TcpStream::from(fd)
        })
        .unwrap();
    echoes(&mut connection, bench.vip().ip());
    drop(connection);
    bench.wait_idle();
    // They reached the member as they were.
    let some = || capture.lines(&[]).unwrap().len() >= 4;
    wait_until(some, SOON, "packets with options at the member").unwrap();
    capture.stop().unwrap();
    let lines = capture.lines(&[]).unwrap();
    let at_vip = |line: &&String| {
        line.contains(&format!("IP6 {} > {}: DSTOPT ", bench.vip().ip(), member.address()))
    };
    assert_eq!(lines.iter().filter(at_vip).count(), lines.len(), "{lines:#?}");
    assert_eq!(bench.members("total_connections"), [1, 0]);
}

/// The router says that nobody is there (RFC 792; RFC 4443 section 3.1), and the client does not notice.
#[test]
fn a_member_that_a_router_cannot_reach_loses_its_connections_to_others() {
    for (pool, family) in [(&SSH_POOL, "-4"), (&SSH_POOL_V6, "-6")] {
        let mut bench = Bench::of(pool, &Layout::ROUTED, ROUND_ROBIN, &[1, 1]);
        bench.pool.fields.push("failover: {retries: 3, eject_after: 0}".to_owned());
        let router = bench.net.router.as_ref().unwrap();
        let gone = bench.net.members[0].address().to_string();
        let route = [family, "route", "add", "unreachable", &gone];
        router.namespace.command("ip").args(route).stdout().unwrap();
        let _run = bench.run();
        // Each error uses up the turn of the next member. Routers limit how many they send.
        assert_eq!(bench.sequence(2), "m2 m2");
        assert_eq!(bench.members("failed_connections"), [2, 0]);
        assert_eq!(bench.counter("redispatched_refused"), 2);
    }
}
