//! ICMP echo, the kernel's way: no ping program needed.

use std::net::{IpAddr, UdpSocket};
use std::os::fd::OwnedFd;

use lb_tests::sysctl;
use lb_tests::topology::Host;
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};

use crate::bench::SOON;

/// Types of echo request and reply in ICMP (RFC 792) and ICMPv6 (RFC 4443).
const V4: [u8; 2] = [8, 0];
const V6: [u8; 2] = [128, 129];
const HEADER: usize = 8;

/// Sends an echo request with `payload` from `host` and returns the payload of the answer.
///
/// The socket of icmp(7) has a datagram's interface; the kernel fills in id and checksum and
/// hands over nothing but answers to the own id.
pub(crate) fn ping(host: &Host, to: IpAddr, payload: &[u8]) -> Vec<u8> {
    sysctl::set(&host.namespace, "net.ipv4.ping_group_range", "0 0").unwrap();
    let exchange = || {
        let (family, protocol, [request, reply]) = match to {
            IpAddr::V4(_) => (AddressFamily::Inet, SockProtocol::Icmp, V4),
            IpAddr::V6(_) => (AddressFamily::Inet6, SockProtocol::IcmpV6, V6),
        };
        let flags = SockFlag::SOCK_CLOEXEC;
        let fd: OwnedFd = socket(family, SockType::Datagram, flags, protocol).unwrap();
        let socket = UdpSocket::from(fd);
        socket.set_read_timeout(Some(SOON)).unwrap();
        let mut request = vec![request, 0, 0, 0, 0, 0, 0, 1];
        request.extend(payload);
        socket.send_to(&request, (to, 0)).unwrap();
        let mut answer = vec![0; 65_536];
        let (len, from) = socket.recv_from(&mut answer).unwrap();
        assert_eq!(from.ip(), to);
        assert_eq!(answer[0], reply);
        answer[HEADER..len].to_vec()
    };
    host.namespace.run(exchange).unwrap()
}
