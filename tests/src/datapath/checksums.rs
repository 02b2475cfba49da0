//! Checksums of a frame, computed from scratch.

use etherparse::{NetSlice, SlicedPacket, TransportSlice};

use super::patched;

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;

/// Types of ICMP and of ICMPv6 that quote a datagram.
const ERRORS: [u8; 3] = [3, 11, 12];
const ERRORS_V6: [u8; 4] = [1, 2, 3, 4];

/// Bytes of an ICMP header, in front of what an error quotes.
const ICMP: usize = 8;

/// Which checksum of a TCP segment, UDP datagram or ICMP message is wrong, those within what an error quotes included; `None` if
/// all are right or it is no such frame.
#[must_use]
pub fn wrong_checksum(frame: &[u8]) -> Option<String> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let (addresses, is_v4) = match &packet.net {
        Some(NetSlice::Ipv4(ip)) => {
            if !adds_up([ip.header().slice()]) {
                return Some("IP checksum".into());
            }
            ([ip.header().source(), ip.header().destination()].concat(), true)
        }
        Some(NetSlice::Ipv6(ip)) => {
            ([ip.header().source(), ip.header().destination()].concat(), false)
        }
        Some(NetSlice::Arp(_)) | None => return None,
    };
    match packet.transport? {
        TransportSlice::Tcp(tcp) => {
            (!segment_adds_up(TCP, &addresses, tcp.slice())).then(|| "TCP checksum".into())
        }
        TransportSlice::Udp(udp) => {
            (!segment_adds_up(UDP, &addresses, udp.slice())).then(|| "UDP checksum".into())
        }
        TransportSlice::Icmpv4(icmp) if is_v4 => {
            if !adds_up([icmp.slice()]) {
                return Some("ICMP checksum".into());
            }
            let quotes = ERRORS.contains(&icmp.slice()[0]);
            if quotes { wrong_in_quote(&icmp.slice()[ICMP..]) } else { None }
        }
        TransportSlice::Icmpv6(icmp) if !is_v4 => {
            let pseudo = pseudo(&addresses, icmp.slice().len(), ICMPV6);
            if !adds_up([pseudo.as_slice(), icmp.slice()]) {
                return Some("ICMPv6 checksum".into());
            }
            let quotes = ERRORS_V6.contains(&icmp.slice()[0]);
            if quotes { wrong_in_quote_v6(&icmp.slice()[ICMP..]) } else { None }
        }
        TransportSlice::Icmpv4(_) | TransportSlice::Icmpv6(_) | TransportSlice::Igmp(_) => None,
    }
}

fn wrong_in_quote(quote: &[u8]) -> Option<String> {
    let first = *quote.first()?;
    let (header, segment) = quote.split_at_checked(usize::from(first & 15) * 4)?;
    if first >> 4 != 4 || header.len() < 20 {
        return None;
    }
    if !adds_up([header]) {
        return Some("quoted IP checksum".into());
    }
    let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let whole = segment.get(..total.checked_sub(header.len())?)?;
    wrong_in_segment(header[9], &header[12..20], whole)
}

fn wrong_in_quote_v6(quote: &[u8]) -> Option<String> {
    let (header, segment) = quote.split_at_checked(40)?;
    let whole = segment.get(..usize::from(u16::from_be_bytes([header[4], header[5]])))?;
    wrong_in_segment(header[6], &header[8..40], whole)
}

/// The same of a segment that is quoted as a whole.
fn wrong_in_segment(protocol: u8, addresses: &[u8], segment: &[u8]) -> Option<String> {
    let right = ![TCP, UDP].contains(&protocol) || segment_adds_up(protocol, addresses, segment);
    (!right).then(|| "quoted TCP or UDP checksum".into())
}

/// Zero is no checksum in UDP, which only IPv4 allows, and never a sum (RFC 768).
fn segment_adds_up(protocol: u8, addresses: &[u8], segment: &[u8]) -> bool {
    if protocol == UDP && segment.get(6..8) == Some(&[0; 2]) {
        return addresses.len() == 2 * 4;
    }
    adds_up([pseudo(addresses, segment.len(), protocol).as_slice(), segment])
}

/// The header that is summed up in front of a message and is none of it (RFC 9293 section 3.1, RFC 8200 section 8.1);
/// it adds up to the same in both families.
fn pseudo(addresses: &[u8], len: usize, protocol: u8) -> Vec<u8> {
    [addresses, &(len as u32).to_be_bytes(), &[0, 0, 0, protocol]].concat()
}

/// Whether the one's complement sum of all words, checksum included, is that of no error (RFC 1071 section 1).
fn adds_up<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> bool {
    let words = parts.into_iter().flat_map(|part| part.chunks(2));
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    words.map(word).sum::<u32>() % 0xffff == 0
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
