//! The oracle for captures with offloads on: checksums that are right, or rightly left to the device.

use std::fs;
use std::path::Path;

use etherparse::{NetSlice, SlicedPacket, TransportSlice};

use crate::Error;
use crate::error::Context;

/// Lengths of the headers of a pcap file and of each packet in it (draft-ietf-opsawg-pcap).
const FILE_HEADER: usize = 24;
const PACKET_HEADER: usize = 16;

/// TCP checksums in a capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Those that are right.
    pub right: usize,
    /// Those that hold the pseudo-header's sum alone, for a device to finish (CHECKSUM_PARTIAL).
    pub left: usize,
}

/// Counts the TCP checksums in a capture; fails if one is neither right nor rightly left to the device, or
/// if there is none. IPv4's own must be right. Unlike [`super::assert_no_bad_checksums`] it can judge
/// what a veth carries with offloads on: unfinished checksums of super packets.
///
/// # Errors
/// [`Error::BadChecksums`] with the packets, [`Error::Unexpected`] for a capture without TCP.
pub fn assert_sums_right_or_left(pcap: &Path) -> Result<Sums, Error> {
    let file = fs::read(pcap).context(|| format!("reading {}", pcap.display()))?;
    let (mut sums, mut bad) = (Sums::default(), Vec::new());
    let mut rest = file.get(FILE_HEADER..).unwrap_or_default();
    let mut number = 0;
    while let Some((header, body)) = rest.split_at_checked(PACKET_HEADER) {
        let kept = u32::from_ne_bytes([header[8], header[9], header[10], header[11]]) as usize;
        let Some((frame, next)) = body.split_at_checked(kept) else { break };
        (rest, number) = (next, number + 1);
        match judge(frame) {
            Some(Judgement::Right) => sums.right += 1,
            Some(Judgement::Left) => sums.left += 1,
            Some(Judgement::Bad(why)) => bad.push(format!("packet {number}: {why}")),
            None => {}
        }
    }
    if !bad.is_empty() {
        let file = pcap.display().to_string();
        return Err(Error::BadChecksums { file, lines: bad.join("\n") });
    }
    if sums == Sums::default() {
        let what = format!("TCP in {}", pcap.display());
        return Err(Error::Unexpected { what, found: format!("{number} other packets") });
    }
    Ok(sums)
}

enum Judgement {
    Right,
    Left,
    Bad(String),
}

/// `None` for a frame that is not TCP.
fn judge(frame: &[u8]) -> Option<Judgement> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let Some(TransportSlice::Tcp(tcp)) = &packet.transport else { return None };
    let len = tcp.slice().len() as u32;
    let (want, addresses) = match &packet.net {
        Some(NetSlice::Ipv4(ip)) => {
            let header = ip.header();
            let want = header.to_header().calc_header_checksum();
            if header.header_checksum() != want {
                return Some(Judgement::Bad(format!("IP checksum is not {want:#06x}")));
            }
            let (source, destination) = (header.source(), header.destination());
            (tcp.calc_checksum_ipv4(source, destination).ok()?, [source, destination].concat())
        }
        Some(NetSlice::Ipv6(ip)) => {
            let header = ip.header();
            let (source, destination) = (header.source(), header.destination());
            (tcp.calc_checksum_ipv6(source, destination).ok()?, [source, destination].concat())
        }
        Some(NetSlice::Arp(_)) | None => return None,
    };
    let have = tcp.checksum();
    if have == want {
        return Some(Judgement::Right);
    }
    if have == pseudo_header(&addresses, len) {
        return Some(Judgement::Left);
    }
    Some(Judgement::Bad(format!("TCP checksum is {have:#06x}, not {want:#06x}, nor left")))
}

/// The one's complement sum of addresses, length and protocol (RFC 9293 section 3.1).
fn pseudo_header(addresses: &[u8], len: u32) -> u16 {
    const TCP: u32 = 6;
    let words = addresses.chunks(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])));
    let mut sum = words.sum::<u32>() + TCP + (len >> 16) + (len & 0xffff);
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u16
}
