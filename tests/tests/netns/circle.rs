//! Two VIPs that are each other's members.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd as _;

use lb_tests::topology::{Layout, SSH_POOL, SSH_POOL_V6, SeedPool, WEB_POOL};
use lb_tests::wait_until;
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, connect, socket};

use crate::bench::{Bench, SOON};
use crate::pool_file::{MemberLine, PoolFile, ROUND_ROBIN};

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

#[test]
fn a_syn_between_them_comes_to_an_end() {
    for pool in [&SSH_POOL, &SSH_POOL_V6] {
        let bench = Bench::of(pool, &Layout::ONE_ARM, ROUND_ROBIN, &[1, 1]);
        let other = bench.net.node.clone().deploy(&beside(pool), &Layout::ONE_ARM).unwrap();
        let with_member = |pool: &PoolFile, address| PoolFile {
            members: vec![MemberLine { address, ..pool.members[0] }],
            fields: vec!["failover: {retries: 0, eject_after: 0}".to_owned()],
            ..pool.clone()
        };
        let one = with_member(&bench.pool, other.pool.vip);
        let two = with_member(&PoolFile::of(&other, ROUND_ROBIN, &[1]), bench.vip());
        let ids = [one.id.clone(), two.id.clone()];
        let file = bench.write("circle.yaml", &[one, two]);
        let _run = bench.qlb.run(["-f".as_ref(), file.as_os_str()]).unwrap();
        let count = |name: &str| {
            let each = ids.iter().map(|id| {
                let status = bench.qlb.json(["status", id, "-o", "json"]).unwrap();
                status["pools"][0]["counters"][name].as_u64().unwrap()
            });
            each.sum::<u64>()
        };
        // The socket asks again after a second: that SYN goes the same way to the same end.
        let _asks = bench.net.client().namespace.run(|| {
            let to = bench.vip();
            let family = if to.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
            let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
            let fd = socket(family, SockType::Stream, flags, None).unwrap();
            let started = connect(fd.as_raw_fd(), &SockaddrStorage::from(to));
            assert_eq!(started, Err(Errno::EINPROGRESS));
            fd
        });
        for times in 1..=2 {
            let ended = || count("drop_hop_limit") >= times;
            wait_until(ended, SOON, "the SYN is dropped at the end of its hops").unwrap();
            assert_eq!(count("connection_opened"), HOPS);
        }
    }
}
