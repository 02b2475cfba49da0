//! ICMP errors about a segment of ours (RFC 792, RFC 1122 section 3.2.2.1).

use zerocopy::{FromBytes, Immutable, KnownLayout};

use crate::{
    addr::Tuple,
    be::{Be16, Be32},
    packet::Packet,
    wire::{
        Seq,
        eth::{self, Ethernet},
        ipv4::{self, Ipv4},
    },
};

/// Protocol number of ICMP.
const ICMP: u8 = 1;

/// Bytes of an ICMP header.
const HEADER: usize = 8;

/// Type of "destination unreachable".
const UNREACHABLE: u8 = 3;

/// Code of "fragmentation needed", the only one that does not mean that nobody is there.
const TOO_BIG: u8 = 4;

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

/// Whether a frame that is not TCP may be an error that [`unreachable`] understands.
#[inline(always)]
pub fn is_unreachable<P: Packet>(packet: &P) -> bool {
    let Some(outer) = packet.read::<Ipv4>(Ethernet::LEN) else { return false };
    outer.protocol == ICMP
        && packet
            .read::<Kind>(Ethernet::LEN + outer.header_len())
            .is_some_and(|Kind { kind, .. }| kind == UNREACHABLE)
}

/// The segment that a frame to this host says could not reach its destination, if it says so.
#[inline(always)]
pub fn unreachable<P: Packet>(packet: &P) -> Option<Quoted> {
    let l3 = Ethernet::LEN;
    let eth: Ethernet = packet.read(0)?;
    let outer: Ipv4 = packet.read(l3)?;
    let whole = eth.ethertype.get() == eth::IPV4 && outer.version() == 4 && !outer.is_fragment();
    if !whole || outer.protocol != ICMP || outer.header_len() < Ipv4::MIN_LEN {
        return None;
    }
    let l4 = l3 + outer.header_len();
    let Kind { kind, code } = packet.read(l4)?;
    let inner: Ipv4 = packet.read(l4 + HEADER)?;
    let about_tcp = inner.version() == 4 && inner.protocol == ipv4::TCP && !inner.is_fragment();
    if kind != UNREACHABLE || code == TOO_BIG || !about_tcp || inner.header_len() < Ipv4::MIN_LEN {
        return None;
    }
    let start: Start = packet.read(l4 + HEADER + inner.header_len())?;
    let tuple =
        Tuple { src: inner.src(), dst: inner.dst(), sport: start.sport, dport: start.dport };
    Some(Quoted { tuple, seq: Seq::new(start.seq.get()) })
}
