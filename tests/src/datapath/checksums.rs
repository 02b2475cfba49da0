//! Checksums of a frame, computed from scratch.

use etherparse::{NetSlice, SlicedPacket, TransportSlice};

/// Which checksum of a TCP segment in IPv4 is wrong; `None` if all are right or it is no such
/// frame.
#[must_use]
pub fn wrong_checksum(frame: &[u8]) -> Option<String> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let Some(NetSlice::Ipv4(ip)) = &packet.net else { return None };
    let Some(TransportSlice::Tcp(tcp)) = &packet.transport else { return None };
    let header = ip.header();
    let (have, want) = (header.header_checksum(), header.to_header().calc_header_checksum());
    if same(have, want) {
        let (have, want) =
            (tcp.checksum(), tcp.calc_checksum_ipv4(header.source(), header.destination()));
        let want = want.ok()?;
        (!same(have, want)).then(|| format!("TCP checksum is {have:#06x}, not {want:#06x}"))
    } else {
        Some(format!("IP checksum is {have:#06x}, not {want:#06x}"))
    }
}

/// Zero has two representations in one's complement (RFC 1624 section 3).
const fn same(have: u16, want: u16) -> bool {
    have == want || (have == 0xffff && want == 0)
}
