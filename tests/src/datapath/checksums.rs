//! Checksums of a frame, computed from scratch.

use etherparse::{NetSlice, SlicedPacket, TcpSlice, TransportSlice, UdpSlice};

/// Addresses of either family, source first.
enum Ends {
    V4([u8; 4], [u8; 4]),
    V6([u8; 16], [u8; 16]),
}

/// Which checksum of a TCP segment or UDP datagram is wrong; `None` if all are right or it is no such frame.
#[must_use]
pub fn wrong_checksum(frame: &[u8]) -> Option<String> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let ends = match &packet.net {
        Some(NetSlice::Ipv4(ip)) => {
            let header = ip.header();
            let (have, want) =
                (header.header_checksum(), header.to_header().calc_header_checksum());
            if !same(have, want) {
                return Some(format!("IP checksum is {have:#06x}, not {want:#06x}"));
            }
            Ends::V4(header.source(), header.destination())
        }
        Some(NetSlice::Ipv6(ip)) => Ends::V6(ip.header().source(), ip.header().destination()),
        Some(NetSlice::Arp(_)) | None => return None,
    };
    match packet.transport? {
        TransportSlice::Tcp(tcp) => wrong_tcp(&ends, &tcp),
        TransportSlice::Udp(udp) => wrong_udp(&ends, &udp),
        TransportSlice::Icmpv4(_) | TransportSlice::Icmpv6(_) | TransportSlice::Igmp(_) => None,
    }
}

fn wrong_tcp(ends: &Ends, tcp: &TcpSlice<'_>) -> Option<String> {
    let want = match *ends {
        Ends::V4(src, dst) => tcp.calc_checksum_ipv4(src, dst).ok()?,
        Ends::V6(src, dst) => tcp.calc_checksum_ipv6(src, dst).ok()?,
    };
    let have = tcp.checksum();
    (!same(have, want)).then(|| format!("TCP checksum is {have:#06x}, not {want:#06x}"))
}

/// Zero is no checksum, which only IPv4 allows, and never a sum.
fn wrong_udp(ends: &Ends, udp: &UdpSlice<'_>) -> Option<String> {
    let (header, have) = (udp.to_header(), udp.checksum());
    let want = match *ends {
        Ends::V4(..) if have == 0 => return None,
        Ends::V4(src, dst) => header.calc_checksum_ipv4_raw(src, dst, udp.payload()).ok()?,
        Ends::V6(src, dst) => header.calc_checksum_ipv6_raw(src, dst, udp.payload()).ok()?,
    };
    (have != want).then(|| format!("UDP checksum is {have:#06x}, not {want:#06x}"))
}

/// Zero has two representations in one's complement (RFC 1624 section 3).
const fn same(have: u16, want: u16) -> bool {
    have == want || (have == 0xffff && want == 0)
}
