//! Frames by hand, checksums by definition (RFC 1071): nothing of the crate under test.

use std::net::{Ipv4Addr, SocketAddrV4};

use lb_common::wire::ipv4::UDP;

use crate::world::LISTENER;

/// TCP control bits (RFC 9293 section 3.1).
pub(crate) struct Flags;

impl Flags {
    pub(crate) const FIN: u8 = 0x01;
    pub(crate) const SYN: u8 = 0x02;
    pub(crate) const RST: u8 = 0x04;
    pub(crate) const ACK: u8 = 0x10;
}

/// The numbers of the first byte that a client and a member send; their SYN comes before it.
const CLIENT: u32 = 256;
const MEMBER: u32 = 512;

const IP: usize = 14;
const TCP: usize = IP + 20;

/// A TCP segment in a frame to this host, with right checksums, of a client that began anywhere.
pub(crate) fn tcp(src: SocketAddrV4, dst: SocketAddrV4, flags: u8, payload: usize) -> Vec<u8> {
    tcp_from(Bases::default(), src, dst, flags, payload)
}

/// How much higher the numbers of a connection's client and member begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bases {
    pub(crate) client: u32,
    pub(crate) member: u32,
}

/// The same on a connection with other numbers.
pub(crate) fn tcp_from(
    base: Bases,
    src: SocketAddrV4,
    dst: SocketAddrV4,
    flags: u8,
    payload: usize,
) -> Vec<u8> {
    let mut frame = vec![0; 12];
    frame.extend(0x0800_u16.to_be_bytes());
    frame.extend([0x45, 0]);
    frame.extend((40 + payload as u16).to_be_bytes());
    frame.extend([0, 7, 0x40, 0, 64, 6, 0, 0]);
    frame.extend(src.ip().octets());
    frame.extend(dst.ip().octets());
    frame.extend(src.port().to_be_bytes());
    frame.extend(dst.port().to_be_bytes());
    let (mut ours, mut theirs) =
        (MEMBER.wrapping_add(base.member), CLIENT.wrapping_add(base.client));
    if dst == LISTENER {
        (ours, theirs) = (theirs, ours);
    }
    frame.extend(ours.wrapping_sub(u32::from(flags & Flags::SYN != 0)).to_be_bytes());
    frame.extend(theirs.to_be_bytes());
    frame.extend([0x50, flags, 0xfa, 0, 0, 0, 0, 0]);
    frame.extend((0..payload).map(|byte| (byte * 37) as u8));
    let checksum = !header_sum(&frame);
    frame[IP + 10..IP + 12].copy_from_slice(&checksum.to_be_bytes());
    let checksum = !segment_sum(&frame);
    frame[TCP + 16..TCP + 18].copy_from_slice(&checksum.to_be_bytes());
    frame
}

/// A UDP datagram in a frame to this host, with right checksums.
pub(crate) fn udp(src: SocketAddrV4, dst: SocketAddrV4, payload: usize) -> Vec<u8> {
    let mut frame = vec![0; 12];
    frame.extend(0x0800_u16.to_be_bytes());
    frame.extend([0x45, 0]);
    frame.extend((28 + payload as u16).to_be_bytes());
    frame.extend([0, 7, 0x40, 0, 64, UDP, 0, 0]);
    frame.extend(src.ip().octets());
    frame.extend(dst.ip().octets());
    frame.extend(src.port().to_be_bytes());
    frame.extend(dst.port().to_be_bytes());
    frame.extend((8 + payload as u16).to_be_bytes());
    frame.extend([0, 0]);
    frame.extend((0..payload).map(|byte| (byte * 37) as u8));
    let checksum = !header_sum(&frame);
    frame[IP + 10..IP + 12].copy_from_slice(&checksum.to_be_bytes());
    let checksum = match !segment_sum(&frame) {
        0 => u16::MAX,
        checksum => checksum,
    };
    frame[TCP + 6..TCP + 8].copy_from_slice(&checksum.to_be_bytes());
    frame
}

/// "Port unreachable" (RFC 792) from the second of these ends about an empty datagram of the first.
pub(crate) fn unreachable(from: SocketAddrV4, to: SocketAddrV4) -> Vec<u8> {
    let about = udp(from, to, 0);
    let mut frame = udp(to, from, about.len() - IP);
    frame[IP + 9] = 1;
    frame[IP + 10..IP + 12].fill(0);
    let checksum = !header_sum(&frame);
    frame[IP + 10..IP + 12].copy_from_slice(&checksum.to_be_bytes());
    frame[TCP..TCP + 8].copy_from_slice(&[3, 3, 0, 0, 0, 0, 0, 0]);
    frame[TCP + 8..].copy_from_slice(&about[IP..]);
    let checksum = !sum(&frame[TCP..]);
    frame[TCP + 2..TCP + 4].copy_from_slice(&checksum.to_be_bytes());
    frame
}

/// Source and destination of such a frame.
pub(crate) fn ends(frame: &[u8]) -> (SocketAddrV4, SocketAddrV4) {
    let address = |at: usize| Ipv4Addr::from(<[u8; 4]>::try_from(&frame[at..at + 4]).unwrap());
    let port = |at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
    (
        SocketAddrV4::new(address(IP + 12), port(TCP)),
        SocketAddrV4::new(address(IP + 16), port(TCP + 2)),
    )
}

/// Whether such a frame asks for a connection.
pub(crate) fn opens(frame: &[u8]) -> bool {
    if frame[IP + 9] == UDP {
        return true;
    }
    let ends = Flags::FIN | Flags::SYN | Flags::RST | Flags::ACK;
    frame[TCP + 13] & ends == Flags::SYN
}

/// Whether such a frame acknowledges, and neither opens nor resets anything.
pub(crate) fn acknowledges(frame: &[u8]) -> bool {
    frame[TCP + 13] & (Flags::SYN | Flags::RST | Flags::ACK) == Flags::ACK
}

/// Whether such a frame accepts a connection.
pub(crate) fn accepts(frame: &[u8]) -> bool {
    let ends = Flags::FIN | Flags::SYN | Flags::RST | Flags::ACK;
    frame[TCP + 13] & ends == Flags::SYN | Flags::ACK
}

/// Whether both checksums of such a frame are right.
pub(crate) fn is_sound(frame: &[u8]) -> bool {
    header_sum(frame) == 0xffff && segment_sum(frame) == 0xffff
}

fn header_sum(frame: &[u8]) -> u16 {
    sum(&frame[IP..TCP])
}

fn segment_sum(frame: &[u8]) -> u16 {
    let mut covered = frame[IP + 12..TCP].to_vec();
    covered.extend([0, frame[IP + 9]]);
    covered.extend(((frame.len() - TCP) as u16).to_be_bytes());
    covered.extend(&frame[TCP..]);
    sum(&covered)
}

fn sum(bytes: &[u8]) -> u16 {
    bytes.chunks(2).fold(0, |sum: u16, pair| {
        let word = u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]);
        let (sum, carry) = sum.overflowing_add(word);
        sum + u16::from(carry)
    })
}
