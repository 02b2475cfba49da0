//! Checksums of a frame, computed from scratch.

use etherparse::{NetSlice, SlicedPacket, TransportSlice};

/// Which checksum of a TCP segment is wrong; `None` if all are right or it is no such frame.
#[must_use]
pub fn wrong_checksum(frame: &[u8]) -> Option<String> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let Some(TransportSlice::Tcp(tcp)) = &packet.transport else { return None };
    let want = match &packet.net {
        Some(NetSlice::Ipv4(ip)) => {
            let header = ip.header();
            let (have, want) =
                (header.header_checksum(), header.to_header().calc_header_checksum());
            if !same(have, want) {
                return Some(format!("IP checksum is {have:#06x}, not {want:#06x}"));
            }
            tcp.calc_checksum_ipv4(header.source(), header.destination()).ok()?
        }
        Some(NetSlice::Ipv6(ip)) => {
            let header = ip.header();
            tcp.calc_checksum_ipv6(header.source(), header.destination()).ok()?
        }
        Some(NetSlice::Arp(_)) | None => return None,
    };
    let have = tcp.checksum();
    (!same(have, want)).then(|| format!("TCP checksum is {have:#06x}, not {want:#06x}"))
}

/// Zero has two representations in one's complement (RFC 1624 section 3).
const fn same(have: u16, want: u16) -> bool {
    have == want || (have == 0xffff && want == 0)
}
