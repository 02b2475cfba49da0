//! The oracle for captures with offloads on: checksums that are right, or rightly left to the device.

use std::path::Path;

use etherparse::{NetSlice, SlicedPacket, TransportSlice};

use super::frames;
use crate::Error;

/// TCP and UDP checksums in a capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Those that are right.
    pub right: usize,
    /// Those that hold the pseudo-header's sum alone, for a device to finish (CHECKSUM_PARTIAL).
    pub left: usize,
}

/// Counts the TCP and UDP checksums in a capture; fails if one is neither right nor rightly left to the device, or
/// if there is none. IPv4's own must be right. Unlike [`super::assert_no_bad_checksums`] it can judge
/// what a veth carries with offloads on: unfinished checksums of super packets.
///
/// # Errors
/// [`Error::BadChecksums`] with the packets, [`Error::Unexpected`] for a capture without either.
pub fn assert_sums_right_or_left(pcap: &Path) -> Result<Sums, Error> {
    let (mut sums, mut bad) = (Sums::default(), Vec::new());
    let frames = frames::read(pcap)?;
    for (index, frame) in frames.iter().enumerate() {
        match judge(&frame.bytes) {
            Some(Judgement::Right) => sums.right += 1,
            Some(Judgement::Left) => sums.left += 1,
            Some(Judgement::Bad(why)) => bad.push(format!("packet {}: {why}", index + 1)),
            None => {}
        }
    }
    if !bad.is_empty() {
        let file = pcap.display().to_string();
        return Err(Error::BadChecksums { file, lines: bad.join("\n") });
    }
    if sums == Sums::default() {
        let what = format!("TCP or UDP in {}", pcap.display());
        return Err(Error::Unexpected { what, found: format!("{} other packets", frames.len()) });
    }
    Ok(sums)
}

enum Judgement {
    Right,
    Left,
    Bad(String),
}

const TCP: u32 = 6;
const UDP: u32 = 17;

/// `None` for a frame that is neither TCP nor UDP, or UDP without a checksum.
fn judge(frame: &[u8]) -> Option<Judgement> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let (segment, protocol, have) = match &packet.transport {
        Some(TransportSlice::Tcp(tcp)) => (tcp.slice(), TCP, tcp.checksum()),
        Some(TransportSlice::Udp(udp)) if udp.checksum() != 0 => (udp.slice(), UDP, udp.checksum()),
        _ => return None,
    };
    let addresses = match &packet.net {
        Some(NetSlice::Ipv4(ip)) => {
            let header = ip.header();
            let want = header.to_header().calc_header_checksum();
            if header.header_checksum() != want {
                return Some(Judgement::Bad(format!("IP checksum is not {want:#06x}")));
            }
            [header.source(), header.destination()].concat()
        }
        Some(NetSlice::Ipv6(ip)) => [ip.header().source(), ip.header().destination()].concat(),
        Some(NetSlice::Arp(_)) | None => return None,
    };
    let pseudo = pseudo_header(&addresses, protocol, segment.len() as u32);
    // With a right checksum in it, all adds up to zero, which is all ones (RFC 1071 section 1).
    Some(if sum(u32::from(pseudo), segment) == u16::MAX {
        Judgement::Right
    } else if have == pseudo {
        Judgement::Left
    } else {
        Judgement::Bad(format!("checksum {have:#06x} of protocol {protocol} is wrong and not left"))
    })
}

/// The one's complement sum of addresses, length and protocol (RFC 9293 section 3.1, RFC 768).
fn pseudo_header(addresses: &[u8], protocol: u32, len: u32) -> u16 {
    sum(protocol + (len >> 16) + (len & 0xffff), addresses)
}

/// The one's complement sum of what there is already and of the words of `bytes`.
fn sum(already: u32, bytes: &[u8]) -> u16 {
    let word = |pair: &[u8]| u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0));
    let mut sum = u64::from(already) + bytes.chunks(2).map(word).sum::<u64>();
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u16
}
