//! VIPs and VLAN tags (IEEE 802.1Q).

use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::fd::AsRawFd as _;

use etherparse::{PacketBuilder, VlanId};
use lb_tests::counters::Counters;
use lb_tests::tcp::{EchoServer, Mode, connect, pattern};
use lb_tests::topology::{Host, Layout, SSH_POOL, SSH_POOL_V6};
use lb_tests::wait_until;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, sendto, socket};

use crate::bench::{Bench, SOON};
use crate::pool_file::ROUND_ROBIN;

const DEVICE: &str = "vlan100";

/// Host `last` of the subnet that is tagged, in the family of another address.
fn tagged(like: IpAddr, last: u8) -> IpAddr {
    match like {
        IpAddr::V4(_) => [10, 1, 0, last].into(),
        IpAddr::V6(_) => [0x2001, 0xdb8, 0xb, 0, 0, 0, 0, u16::from(last)].into(),
    }
}

/// Whether this kernel has VLAN devices (CONFIG_VLAN_8021Q); says so if not.
fn has_vlans(host: &Host) -> bool {
    let device = &host.plugged().device;
    let line = format!("link add link {device} name probe type vlan id 99");
    match host.namespace.command("ip").args(line.split(' ')).stdout() {
        Err(error) if error.to_string().contains("Unknown device type") => {
            // In one piece, and also when the test passes.
            let _ = io::stderr().write_all(b"not tried: this kernel has no VLAN devices\n");
            false
        }
        made => made.is_ok(),
    }
}

/// Gives a host a device behind its first one for frames with the tag, and an address there.
fn join(host: &Host, address: IpAddr) {
    let device = &host.plugged().device;
    let prefix = if address.is_ipv4() { 24 } else { 64 };
    for line in [
        format!("link add link {device} name {DEVICE} type vlan id 100"),
        format!("address add {address}/{prefix} dev {DEVICE}"),
        format!("link set {DEVICE} up"),
    ] {
        host.namespace.command("ip").args(line.split(' ')).stdout().unwrap();
    }
}

#[test]
fn a_vip_on_a_vlan_device_is_served_like_any() {
    for pool in [&SSH_POOL, &SSH_POOL_V6] {
        let mut bench = Bench::of(pool, &Layout::ONE_ARM, ROUND_ROBIN, &[1, 1]);
        if !has_vlans(&bench.net.vip) {
            return;
        }
        bench.servers.clear();
        let at = |last| tagged(pool.gateway, last);
        bench.pool.vip.set_ip(at(250));
        for (line, last) in bench.pool.members.iter_mut().zip([2, 4]) {
            line.address.set_ip(at(last));
        }
        let net = &bench.net;
        for (host, last) in
            [&net.vip, net.client()].into_iter().chain(&net.members).zip([250, 1, 2, 4])
        {
            join(host, at(last));
        }
        let members = net.members.iter().zip(["m1", "m2"]).zip(&bench.pool.members);
        let _servers: Vec<EchoServer> = members
            .map(|((host, name), line)| {
                EchoServer::start(&host.namespace, name, line.address, Mode::Echo).unwrap()
            })
            .collect();
        let _run = bench.run();
        assert_eq!(bench.status()["device"], DEVICE);
        let ends = [net.client(), &net.members[0], &net.members[1]];
        let bad =
            || ends.map(|host| Counters::read(&host.namespace).unwrap().get("TcpInCsumErrors"));
        let before = bad();
        for name in ["m1", "m2"] {
            let mut connection = connect(&net.client().namespace, bench.vip()).unwrap();
            assert_eq!(connection.member, name);
            assert_eq!(connection.seen.ip(), bench.vip().ip());
            connection.exchange(&pattern(1_000_000)).unwrap();
            connection.finish().unwrap();
        }
        assert_eq!(bad(), before);
        assert_eq!(bench.counter("pass_vlan"), 0);
        bench.wait_idle();
    }
}

/// Sends a frame out of a host's device as it is (packet(7)).
fn send(host: &Host, frame: &[u8]) {
    let send = || {
        let device = host.plugged().device.as_str();
        let mut all = getifaddrs().unwrap().filter(|one| one.interface_name == device);
        let at = all.find_map(|one| one.address?.as_link_addr().copied()).unwrap();
        let flags = SockFlag::SOCK_CLOEXEC;
        let fd = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll).unwrap();
        assert_eq!(sendto(fd.as_raw_fd(), frame, &at, MsgFlags::empty()), Ok(frame.len()));
    };
    host.namespace.run(send).unwrap();
}

/// The kernel takes the tag off before anybody else sees the frame.
#[test]
fn tagged_frames_on_the_device_of_a_vip_are_the_stacks() {
    for pool in [&SSH_POOL, &SSH_POOL_V6] {
        let bench = Bench::of(pool, &Layout::ONE_ARM, ROUND_ROBIN, &[1, 1]);
        let _run = bench.run();
        let client = bench.net.client();
        let (from, to) = (client.address(), bench.vip());
        let start = PacketBuilder::ethernet2(client.plugged().mac, pool.mac);
        let start = start.single_vlan(VlanId::try_new(100).unwrap());
        let start = match (from, to.ip()) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => start.ipv4(src.octets(), dst.octets(), 64),
            (IpAddr::V6(src), IpAddr::V6(dst)) => start.ipv6(src.octets(), dst.octets(), 64),
            other => panic!("{other:?}"),
        };
        let mut syn = Vec::new();
        start.tcp(40_000, to.port(), 1, 64_240).syn().write(&mut syn, &[]).unwrap();
        let before = bench.counter("pass_vlan");
        send(client, &syn);
        let passed = || bench.counter("pass_vlan") == before + 1;
        wait_until(passed, SOON, "the tagged SYN is passed").unwrap();
        assert_eq!(bench.counter("connection_opened"), 0);
        // The same one without a tag is served.
        let plain = [&syn[..12], &syn[16..]].concat();
        send(client, &plain);
        let opened = || bench.counter("connection_opened") == 1;
        wait_until(opened, SOON, "the SYN without a tag opens a connection").unwrap();
        assert_eq!(bench.counter("pass_vlan"), before + 1);
    }
}
