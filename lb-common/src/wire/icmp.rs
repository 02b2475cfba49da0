//! ICMP errors about a segment of ours (RFC 792, RFC 1122 section 3.2.2.1; RFC 4443).

use zerocopy::{FromBytes, Immutable, KnownLayout};

use crate::{
    addr::Tuple,
    be::{Be16, Be32},
    packet::Packet,
    wire::{
        Datagram, Seq,
        ipv4::{self, Ipv4},
        ipv6::Ipv6,
    },
};

/// Protocol number of ICMP.
const ICMP: u8 = 1;

/// Protocol number of ICMPv6.
const ICMPV6: u8 = 58;

/// Bytes of a header of either.
const HEADER: usize = 8;

/// Type of "destination unreachable" in ICMP.
const UNREACHABLE: u8 = 3;

/// Code of "fragmentation needed", the only one that does not mean that nobody is there.
const TOO_BIG: u8 = 4;

/// Type of "destination unreachable" in ICMPv6, where a packet that is too big has a type of its own.
const UNREACHABLE_V6: u8 = 1;

/// What an error quotes of the segment it is about.
#[derive(Clone, Copy, Debug)]
pub struct Quoted {
    /// Source and destination of the segment.
    pub tuple: Tuple,
    /// Its sequence number.
    pub seq: Seq,
}

#[derive(Clone, Copy, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Kind {
    kind: u8,
    code: u8,
}

#[derive(Clone, Copy, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Start {
    sport: Be16,
    dport: Be16,
    seq: Be32,
}

/// Whether a frame that is not TCP is an error that [`unreachable`] may understand.
#[inline(always)]
pub fn is_unreachable<P: Packet>(packet: &P) -> bool {
    let mut outer = Datagram::default();
    outer.read(packet).is_ok() && says_unreachable(packet, &outer)
}

#[inline(always)]
fn says_unreachable<P: Packet>(packet: &P, outer: &Datagram) -> bool {
    if outer.is_fragment {
        return false;
    }
    let Some(Kind { kind, code }) = packet.read(outer.l4) else { return false };
    match outer.protocol {
        ICMP => outer.src.is_v4() && kind == UNREACHABLE && code != TOO_BIG,
        ICMPV6 => !outer.src.is_v4() && kind == UNREACHABLE_V6,
        _ => false,
    }
}

/// The segment that a frame to this host says could not reach its destination, if it says so.
#[inline(always)]
pub fn unreachable<P: Packet>(packet: &P) -> Option<Quoted> {
    let mut outer = Datagram::default();
    outer.read(packet).ok()?;
    if !says_unreachable(packet, &outer) {
        return None;
    }
    let at = outer.l4 + HEADER;
    let (src, dst, l4) = if outer.src.is_v4() {
        let inner: Ipv4 = packet.read(at)?;
        let about_tcp = inner.version() == 4 && inner.protocol == ipv4::TCP && !inner.is_fragment();
        if !about_tcp || inner.header_len() < Ipv4::MIN_LEN {
            return None;
        }
        (inner.src(), inner.dst(), at + inner.header_len())
    } else {
        // We send no extension headers of our own, and a client's are none of a member's business.
        let inner: Ipv6 = packet.read(at)?;
        if inner.version() != 6 || inner.next != ipv4::TCP {
            return None;
        }
        (inner.src, inner.dst, at + Ipv6::LEN)
    };
    let start: Start = packet.read(l4)?;
    let tuple = Tuple { src, dst, sport: start.sport, dport: start.dport };
    Some(Quoted { tuple, seq: Seq::new(start.seq.get()) })
}
