//! ICMP errors about a segment of ours (RFC 792, RFC 1122 section 3.2.2; RFC 4443 section 3).

use core::mem::offset_of;

use zerocopy::{FromBytes, FromZeros, Immutable, KnownLayout};

use crate::{
    addr::{Addr, Tuple},
    be::{Be16, Be32},
    packet::Packet,
    verdict::PassReason,
    wire::{Datagram, Seq, ipv4, ipv6, tcp::Tcp, udp::Udp},
};

/// Protocol number of ICMP.
const ICMP: u8 = 1;

/// Protocol number of ICMPv6.
const ICMPV6: u8 = 58;

/// Types of ICMP that are errors about a datagram. Not "source quench", which nobody is to heed
/// (RFC 6633), nor "redirect", which is about the way to the next hop only.
const UNREACHABLE: u8 = 3;
const TIME_EXCEEDED: u8 = 11;
const PARAMETER_PROBLEM: u8 = 12;

/// Code of "fragmentation needed", the only one of [`UNREACHABLE`] that does not mean that nobody is
/// there.
const TOO_BIG: u8 = 4;

/// Type of "destination unreachable" in ICMPv6, where a packet that is too big has a type of its own.
const UNREACHABLE_V6: u8 = 1;

/// The last type of ICMPv6 that is an error, after "packet too big", "time exceeded" and "parameter
/// problem".
const LAST_ERROR_V6: u8 = 4;

/// The header of either, in front of what it quotes.
#[derive(Clone, Copy, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Header {
    kind: u8,
    code: u8,
    checksum: Be16,
    /// Of "too big" the MTU, and the like.
    rest: Be32,
}

/// What every error quotes of a segment at the least (RFC 792).
#[derive(Clone, Copy, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Start {
    sport: Be16,
    dport: Be16,
    /// Sequence number in TCP; length and checksum in UDP.
    seq: Be32,
}

/// An ICMP error, and what it quotes of the segment that it is about. Offsets are bytes from the start
/// of the frame.
#[derive(Clone, Copy, Debug, Default, FromZeros)]
pub struct IcmpError {
    /// Who sent the error.
    pub src: Addr,
    /// Whom it is for.
    pub dst: Addr,
    /// Source and destination of the segment.
    pub tuple: Tuple,
    /// IP protocol number of the segment: that of TCP or of UDP.
    pub protocol: u8,
    /// Sequence number of the segment; means nothing in UDP.
    pub seq: Seq,
    /// Where the checksum of the error lies.
    pub checksum: usize,
    /// Where the quoted IP header starts.
    pub quoted_l3: usize,
    /// Where the quoted TCP or UDP header starts.
    pub quoted_l4: usize,
    /// Where the error ends, and what it quotes.
    pub end: usize,
}

impl IcmpError {
    /// Reads a frame that [`is_error`].
    ///
    /// # Errors
    /// Why it says nothing about a segment.
    #[inline(always)]
    pub fn read<P: Packet>(&mut self, packet: &P) -> Result<(), PassReason> {
        let mut outer = Datagram::default();
        outer.read(packet)?;
        self.read_in(packet, &outer)
    }

    /// Reads what is in the datagram `outer` of a frame that [`is_error`].
    ///
    /// # Errors
    /// Why it says nothing about a segment.
    #[inline(always)]
    pub fn read_in<P: Packet>(&mut self, packet: &P, outer: &Datagram) -> Result<(), PassReason> {
        if !is_error_in(packet, outer) {
            return Err(PassReason::NotTcp);
        }
        if outer.end > packet.len() {
            return Err(PassReason::Malformed);
        }
        let mut quoted = Datagram::default();
        let l3 = outer.l4 + size_of::<Header>();
        if outer.src.is_v4() {
            ipv4::read(packet, l3, &mut quoted)?;
        } else {
            ipv6::read(packet, l3, &mut quoted)?;
        }
        // Later fragments have no ports.
        let is_segment = quoted.protocol == ipv4::TCP || quoted.protocol == ipv4::UDP;
        if !is_segment || quoted.fragment.is_later() {
            return Err(PassReason::NotTcp);
        }
        let start: Start = packet.read(quoted.l4).ok_or(PassReason::Malformed)?;
        if quoted.l4 + size_of::<Start>() > outer.end {
            return Err(PassReason::Malformed);
        }
        (self.src, self.dst) = (outer.src, outer.dst);
        self.tuple =
            Tuple { src: quoted.src, dst: quoted.dst, sport: start.sport, dport: start.dport };
        self.protocol = quoted.protocol;
        self.seq = Seq::new(start.seq.get());
        self.checksum = outer.l4 + offset_of!(Header, checksum);
        (self.quoted_l3, self.quoted_l4, self.end) = (l3, quoted.l4, outer.end);
        Ok(())
    }

    /// Whether it is about a UDP datagram.
    #[inline(always)]
    pub const fn is_udp(&self) -> bool {
        self.protocol == ipv4::UDP
    }

    /// Where the checksum of the quoted segment lies, if that much of it is quoted.
    #[inline(always)]
    pub const fn quoted_checksum(&self) -> Option<usize> {
        let at = self.quoted_l4 + if self.is_udp() { Udp::CHECKSUM } else { Tcp::CHECKSUM };
        if at + 2 <= self.end { Some(at) } else { None }
    }
}

/// Whether a frame that is neither TCP nor UDP is an error about a datagram.
#[inline(always)]
pub fn is_error<P: Packet>(packet: &P) -> bool {
    let mut outer = Datagram::default();
    outer.read(packet).is_ok() && is_error_in(packet, &outer)
}

/// Whether a frame that is an error says that nobody could be reached.
#[inline(always)]
pub fn is_unreachable<P: Packet>(packet: &P) -> bool {
    let mut outer = Datagram::default();
    let Ok(()) = outer.read(packet) else { return false };
    let Some(Header { kind, code, .. }) = packet.read(outer.l4) else { return false };
    match outer.protocol {
        ICMP => kind == UNREACHABLE && code != TOO_BIG,
        ICMPV6 => kind == UNREACHABLE_V6,
        _ => false,
    }
}

#[inline(always)]
fn is_error_in<P: Packet>(packet: &P, outer: &Datagram) -> bool {
    if outer.fragment.is_part() {
        return false;
    }
    let Some(Header { kind, .. }) = packet.read(outer.l4) else { return false };
    match outer.protocol {
        ICMP => {
            outer.src.is_v4() && matches!(kind, UNREACHABLE | TIME_EXCEEDED | PARAMETER_PROBLEM)
        }
        ICMPV6 => !outer.src.is_v4() && (UNREACHABLE_V6..=LAST_ERROR_V6).contains(&kind),
        _ => false,
    }
}
