//! Two VIPs that are each other's members.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd as _;

use lb_tests::dns;
use lb_tests::topology::{Layout, PoolNet, SSH_POOL, SSH_POOL_V6, SeedPool, WEB_POOL};
use lb_tests::{Process, wait_until};
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, connect, socket};

use crate::bench::{Bench, SOON};
use crate::pool_file::{MemberLine, PoolFile, ROUND_ROBIN};
use crate::udp::{PATIENCE, PORT};

/// Hops that a packet of Linux's may take.
const HOPS: u64 = 64;

/// The address with another last byte.
fn moved(address: IpAddr, last: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => (v4.to_bits() & !0xff | u32::from(last)).to_be_bytes().into(),
        IpAddr::V6(v6) => (v6.to_bits() & !0xff | u128::from(last)).to_be_bytes().into(),
    }
}

/// A second VIP on the subnet of the first.
fn beside(pool: &SeedPool) -> SeedPool {
    let at = |socket: SocketAddr, last| SocketAddr::new(moved(socket.ip(), last), socket.port());
    SeedPool {
        id: WEB_POOL.id,
        device: WEB_POOL.device,
        mac: WEB_POOL.mac,
        router: WEB_POOL.router,
        vip: at(pool.vip, 0x51),
        members: [at(pool.members[0], 12), at(pool.members[1], 14)],
        gateway: moved(pool.gateway, 3),
        ..*pool
    }
}

/// The pool and another one, each of which has the other's VIP as its only member.
struct Circle {
    bench: Bench,
    ids: [String; 2],
    _other: PoolNet,
    _run: Process,
}

impl Circle {
    /// `change` is what their declarations have besides.
    fn of(pool: &SeedPool, change: impl Fn(PoolFile) -> PoolFile) -> Self {
        let bench = Bench::of(pool, &Layout::ONE_ARM, ROUND_ROBIN, &[1, 1]);
        let other = bench.net.node.clone().deploy(&beside(pool), &Layout::ONE_ARM).unwrap();
        let with_member = |pool: &PoolFile, address| {
            change(PoolFile {
                members: vec![MemberLine { address, ..pool.members[0] }],
                fields: vec!["failover: {retries: 0, eject_after: 0}".to_owned()],
                ..pool.clone()
            })
        };
        let one = with_member(&bench.pool, other.pool.vip);
        let two = with_member(&PoolFile::of(&other, ROUND_ROBIN, &[1]), bench.vip());
        let ids = [one.id.clone(), two.id.clone()];
        let file = bench.write("circle.yaml", &[one, two]);
        let run = bench.qlb.run(["-f".as_ref(), file.as_os_str()]).unwrap();
        Self { bench, ids, _other: other, _run: run }
    }

    fn count(&self, name: &str) -> u64 {
        let each = self.ids.iter().map(|id| {
            let status = self.bench.qlb.json(["status", id, "-o", "json"]).unwrap();
            status["pools"][0]["counters"][name].as_u64().unwrap()
        });
        each.sum()
    }

    /// So many packets have gone round, all of them the same way.
    fn ends(&self, times: u64) {
        let ended = || self.count("drop_hop_limit") >= times;
        wait_until(ended, SOON, "the packet is dropped at the end of its hops").unwrap();
        assert_eq!(self.count("connection_opened"), HOPS);
    }
}

#[test]
fn a_syn_between_them_comes_to_an_end() {
    for pool in [&SSH_POOL, &SSH_POOL_V6] {
        let circle = Circle::of(pool, |file| file);
        let to = circle.bench.vip();
        // The socket asks again after a second: that SYN goes the same way to the same end.
        let _asks = circle.bench.net.client().namespace.run(|| {
            let family = if to.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
            let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
            let fd = socket(family, SockType::Stream, flags, None).unwrap();
            let started = connect(fd.as_raw_fd(), &SockaddrStorage::from(to));
            assert_eq!(started, Err(Errno::EINPROGRESS));
            fd
        });
        (1..=2).for_each(|times| circle.ends(times));
    }
}

#[test]
fn a_datagram_between_them_comes_to_an_end() {
    for pool in [&SSH_POOL, &SSH_POOL_V6] {
        let circle = Circle::of(pool, |file| file.udp(PORT));
        let to = SocketAddr::new(circle.bench.vip().ip(), PORT);
        let socket = circle.bench.net.client().namespace.run(|| dns::socket(to, PATIENCE));
        let socket = socket.unwrap().unwrap();
        for times in 1..=2 {
            socket.send(b"round and round").unwrap();
            circle.ends(times);
        }
        assert_eq!(circle.count("forward_to_member"), 2 * HOPS);
    }
}
