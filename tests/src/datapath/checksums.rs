//! Checksums of a frame, computed from scratch.

use etherparse::{NetSlice, SlicedPacket, TransportSlice};

use super::patched;

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

/// A TCP segment behind a plain header of either family with its checksum left to the device: the field holds the
/// pseudo-header's sum, uninverted (CHECKSUM_PARTIAL).
///
/// # Panics
/// If the frame is not long enough to be one.
#[must_use]
pub fn left_to_device(frame: Vec<u8>) -> Vec<u8> {
    let word = |at: usize| u32::from(u16::from_be_bytes([frame[at], frame[at + 1]]));
    let (len, addresses, tcp) = if frame[12..14] == [0x86, 0xdd] {
        (word(18), 22..54, 54)
    } else {
        let header = 4 * usize::from(frame[14] & 15);
        (word(16) - header as u32, 26..34, 14 + header)
    };
    let mut sum = addresses.step_by(2).map(word).sum::<u32>() + len + 6;
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    patched(frame, tcp + 16, &(sum as u16).to_be_bytes())
}
