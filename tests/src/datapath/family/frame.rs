//! Frames told in the other family, byte by byte: what is wrong with one stays wrong.

use super::PREFIX;

const ETH: usize = 14;
const V4: usize = 20;
const V6: usize = 40;

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;

/// Where the header of this protocol has its checksum.
const fn checksum_of(protocol: u8) -> usize {
    if protocol == UDP { 6 } else { 16 }
}

/// A checksum as this protocol has it: zero stands for none in UDP.
const fn written(protocol: u8, checksum: u16) -> u16 {
    if protocol == UDP && checksum == 0 { u16::MAX } else { checksum }
}

/// Bytes of the header of an ICMP error.
const ERROR: usize = 8;

/// Whether it is one of IPv6 already.
pub(super) fn is_v6(frame: &[u8]) -> bool {
    frame.get(ETH - 2..ETH) == Some(&[0x86, 0xdd])
}

/// The frame in IPv6; `None` if it has no such form: not a TCP segment, UDP datagram with a checksum, or ICMP error behind a
/// plain header.
pub(super) fn to_v6(frame: &[u8]) -> Option<Vec<u8>> {
    let (eth, datagram) = frame.split_at_checked(ETH)?;
    if is_v6(frame) {
        return Some(frame.to_vec());
    }
    if eth[12..] != [0x08, 0x00] {
        return None;
    }
    let mut six = eth[..12].to_vec();
    six.extend([0x86, 0xdd]);
    six.extend(datagram_to_v6(datagram)?);
    Some(six)
}

fn datagram_to_v6(datagram: &[u8]) -> Option<Vec<u8>> {
    let (header, rest) = datagram.split_at_checked(V4)?;
    let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let is_plain = header[0] == 0x45 && header[6] & 0x3f == 0 && header[7] == 0;
    if !is_plain || total < V4 {
        return None;
    }
    let (next, rest) = match header[9] {
        protocol @ (TCP | UDP) => (protocol, segment_to_v6(protocol, rest)?),
        ICMP => (ICMPV6, error_to_v6(rest.get(..total - V4)?, header)?),
        _ => return None,
    };
    let len = if next == ICMPV6 { rest.len() } else { total - V4 };
    let mut six = vec![0x60, 0, 0, 0];
    six.extend((len as u16).to_be_bytes());
    six.extend([next, header[8]]);
    six.extend(address(&header[12..16]));
    six.extend(address(&header[16..20]));
    six.extend(rest);
    Some(six)
}

fn address(v4: &[u8]) -> Vec<u8> {
    PREFIX.iter().flat_map(|word| word.to_be_bytes()).chain(v4.iter().copied()).collect()
}

/// A segment whose checksum knows of the longer addresses; a quoted one may end before it has one.
fn segment_to_v6(protocol: u8, segment: &[u8]) -> Option<Vec<u8>> {
    let mut segment = segment.to_vec();
    let at = checksum_of(protocol);
    if let Some([high, low]) = segment.get_mut(at..at + 2) {
        if protocol == UDP && (*high, *low) == (0, 0) {
            return None;
        }
        let gain = 2 * PREFIX.iter().map(|word| u32::from(*word)).sum::<u32>();
        let sum = fold(u32::from(!u16::from_be_bytes([*high, *low])) + gain);
        [*high, *low] = written(protocol, !sum).to_be_bytes();
    }
    (segment.len() >= 8).then_some(segment)
}

/// An error about the datagram that it quotes, with a right checksum.
fn error_to_v6(error: &[u8], header: &[u8]) -> Option<Vec<u8>> {
    let (head, quoted) = error.split_at_checked(ERROR)?;
    let kind = match head[..2] {
        // Fragmentation needed: packet too big.
        [3, 4] => [2, 0],
        // Time exceeded, by whichever code.
        [11, code] => [3, code],
        [12, _] => [4, 0],
        // Nobody is there, in whatever way: address unreachable.
        [3, _] => [1, 3],
        _ => return None,
    };
    let mut six = kind.to_vec();
    six.extend([0; 4]);
    // What is narrower on the way, in the half of the word that both have.
    six.extend(if kind == [2, 0] { [head[6], head[7]] } else { [0; 2] });
    six.extend(datagram_to_v6(quoted)?);
    let mut covered = address(&header[12..16]);
    covered.extend(address(&header[16..20]));
    covered.extend((six.len() as u32).to_be_bytes());
    covered.extend([0, 0, 0, ICMPV6]);
    covered.extend(&six);
    let words = covered
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)])));
    let checksum = !fold(words.sum());
    six[2..4].copy_from_slice(&checksum.to_be_bytes());
    Some(six)
}

fn fold(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// A segment in IPv4 as it was; `None` if it is not one that was translated.
pub(super) fn to_v4(frame: &[u8]) -> Option<Vec<u8>> {
    let (eth, datagram) = frame.split_at_checked(ETH)?;
    let (header, rest) = datagram.split_at_checked(V6)?;
    let (protocol, at) = (header[6], checksum_of(header[6]));
    if !is_v6(frame) || ![TCP, UDP].contains(&protocol) || rest.len() < at + 2 {
        return None;
    }
    let payload = u16::from_be_bytes([header[4], header[5]]);
    let mut four = eth[..12].to_vec();
    four.extend([0x08, 0x00, 0x45, 0]);
    four.extend((V4 as u16 + payload).to_be_bytes());
    four.extend([0, 0, 0x40, 0, header[7], protocol, 0, 0]);
    four.extend(&header[8 + 12..24]);
    four.extend(&header[24 + 12..40]);
    let words = four[ETH..].chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let checksum = !fold(words.sum());
    four[ETH + 10..ETH + 12].copy_from_slice(&checksum.to_be_bytes());
    let mut segment = rest.to_vec();
    let lost = 2 * PREFIX.iter().map(|word| u32::from(!*word)).sum::<u32>();
    let sum = fold(u32::from(!u16::from_be_bytes([rest[at], rest[at + 1]])) + lost);
    segment[at..at + 2].copy_from_slice(&written(protocol, !sum).to_be_bytes());
    four.extend(segment);
    Some(four)
}
