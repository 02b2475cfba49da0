//! Ways that are too narrow for a datagram that must not be fragmented: its sender hears of it.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use lb_tests::dns;
use lb_tests::tcp::pattern;
use lb_tests::topology::{Host, Layout, SSH_POOL, SSH_POOL_V6, SeedPool};
use lb_tests::{wait_for, wait_until};
use nix::errno::Errno;
use nix::libc;
use nix::setsockopt_impl;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::SetStruct;

use crate::bench::{Bench, SOON};
use crate::pool_file::ROUND_ROBIN;
use crate::udp::PATIENCE;

const PORT: u16 = 4433;

/// The narrow way; IPv6 allows no narrower one.
const NARROW: &str = "1280";

/// More than it takes, and what it takes in either family.
const TOO_MUCH: usize = 1_400;
const FITS: usize = 1_200;

/// Sends nothing larger than the way takes, as far as that is known, and never in fragments (ip(7), ipv6(7)).
#[derive(Clone, Copy)]
struct Whole;
setsockopt_impl!(
    Whole,
    libc::IPPROTO_IP,
    libc::IP_MTU_DISCOVER,
    libc::c_int,
    SetStruct<libc::c_int>
);
#[derive(Clone, Copy)]
struct WholeV6;
setsockopt_impl!(
    WholeV6,
    libc::IPPROTO_IPV6,
    libc::IPV6_MTU_DISCOVER,
    libc::c_int,
    SetStruct<libc::c_int>
);

fn whole(socket: UdpSocket) -> UdpSocket {
    if socket.local_addr().unwrap().is_ipv4() {
        setsockopt(&socket, Whole, &libc::IP_PMTUDISC_DO).unwrap();
    } else {
        setsockopt(&socket, WholeV6, &libc::IPV6_PMTUDISC_DO).unwrap();
    }
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// Everybody behind the router, a client and a member that speak for themselves.
struct Talk {
    bench: Bench,
    client: UdpSocket,
    member: UdpSocket,
}

impl Talk {
    fn new(pool: &SeedPool) -> Self {
        let layout = Layout { members: 1, ..Layout::ROUTED };
        let mut bench = Bench::of(pool, &layout, ROUND_ROBIN, &[1]);
        bench.pool = bench.pool.udp(PORT);
        let (vip, address) = (bench.vip(), bench.pool.members[0].address);
        let namespace = &bench.net.client().namespace;
        let client = namespace.run(|| dns::socket(vip, PATIENCE)).unwrap().unwrap();
        let namespace = &bench.net.members[0].namespace;
        let member = namespace.run(|| UdpSocket::bind(address)).unwrap().unwrap();
        Self { client: whole(client), member: whole(member), bench }
    }

    /// The router's way to this end, behind this device, takes small datagrams only.
    fn narrow(&self, end: &Host, device: &str) {
        let router = &self.bench.net.router.as_ref().unwrap().namespace;
        let (family, end) = match end.address() {
            IpAddr::V4(ip) => ("-4", ip.to_string()),
            IpAddr::V6(ip) => ("-6", ip.to_string()),
        };
        let args = [family, "route", "replace", &end, "dev", device, "mtu", NARROW];
        router.command("ip").args(args).stdout().unwrap();
    }

    /// The client's datagram arrives at the member; where it came from.
    fn asks(&self, bytes: usize) -> SocketAddr {
        sends(|| self.client.send(&pattern(bytes)));
        let mut received = [0; 2_000];
        let (len, from) = self.member.recv_from(&mut received).unwrap();
        assert!(received[..len] == pattern(bytes), "{len} of {bytes} bytes");
        assert_eq!(from.ip(), self.bench.vip().ip());
        from
    }

    /// The member's datagram arrives at the client.
    fn answers(&self, to: SocketAddr, bytes: usize) {
        sends(|| self.member.send_to(&pattern(bytes), to));
        let mut received = [0; 2_000];
        // The socket may tell of one more error first.
        let len = wait_for(|| self.client.recv(&mut received), SOON, "a datagram").unwrap();
        assert!(received[..len] == pattern(bytes), "{len} of {bytes} bytes");
    }

    fn counters(&self) -> [u64; 2] {
        ["icmp_to_client", "icmp_to_member"].map(|name| self.bench.counter(name))
    }
}

/// Sends once; a socket tells first of the errors that came before, and sends nothing then.
fn sends(send: impl Fn() -> io::Result<usize>) {
    wait_until(|| send().is_ok(), SOON, "a datagram is sent").unwrap();
}

/// Sends until the kernel knows that it is too much.
fn learns(send: impl Fn() -> io::Result<usize>) {
    let knows = || send().is_err_and(|error| error.raw_os_error() == Some(Errno::EMSGSIZE as i32));
    wait_until(knows, SOON, "a datagram is too large for the way").unwrap();
}

#[test]
fn a_client_hears_of_a_narrow_way_to_its_member() {
    for pool in [&SSH_POOL, &SSH_POOL_V6] {
        let talk = Talk::new(pool);
        let _run = talk.bench.run();
        let seen = talk.asks(TOO_MUCH);
        talk.answers(seen, TOO_MUCH);
        talk.narrow(&talk.bench.net.members[0], "qr-51");
        learns(|| talk.client.send(&pattern(TOO_MUCH)));
        assert_eq!(talk.asks(FITS), seen);
        talk.answers(seen, FITS);
        let [to_client, to_member] = talk.counters();
        assert!(to_client > 0 && to_member == 0, "{to_client}, {to_member}");
    }
}

#[test]
fn a_member_hears_of_a_narrow_way_to_its_client() {
    for pool in [&SSH_POOL, &SSH_POOL_V6] {
        let talk = Talk::new(pool);
        let _run = talk.bench.run();
        let seen = talk.asks(TOO_MUCH);
        talk.answers(seen, TOO_MUCH);
        talk.narrow(talk.bench.net.client(), "qr-52");
        learns(|| talk.member.send_to(&pattern(TOO_MUCH), seen));
        talk.answers(seen, FITS);
        assert_eq!(talk.asks(TOO_MUCH), seen, "the other way is as wide as before");
        let [to_client, to_member] = talk.counters();
        assert!(to_client == 0 && to_member > 0, "{to_client}, {to_member}");
    }
}
