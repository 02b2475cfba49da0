//! Checksums of a frame, computed from scratch.

use etherparse::{NetSlice, SlicedPacket, TransportSlice};

use super::patched;

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

/// A TCP segment in IPv4 with its checksum left to the device: the field holds the pseudo-header's sum, uninverted
/// (CHECKSUM_PARTIAL).
///
/// # Panics
/// If the frame is not long enough to be one.
#[must_use]
pub fn left_to_device(frame: Vec<u8>) -> Vec<u8> {
    let header = 4 * usize::from(frame[14] & 15);
    let len = u32::from(u16::from_be_bytes([frame[16], frame[17]])) - header as u32;
    let words = frame[26..34].chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]));
    let mut sum = words.sum::<u32>() + len + 6;
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    patched(frame, 14 + header + 16, &(sum as u16).to_be_bytes())
}
