//! Full NAT: what a rewrite consists of, and which port it uses.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{
    addr::Tuple,
    be::Be16,
    checksum::Sum,
    packet::{EditError, Packet, Zero},
    state::Pool,
    wire::{Segment, ipv4::Ipv4, ipv6::Ipv6, tcp::Tcp},
};

/// NAT ports tried before a connection is refused.
pub const PORT_TRIES: u32 = 32;

/// How the packets of one direction are rewritten.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Rewrite {
    /// Source and destination after the rewrite.
    pub to: Tuple,
    /// Delta of the addresses ([`crate::checksum`]).
    pub address_delta: u16,
    /// Delta of the ports.
    pub port_delta: u16,
}

impl Rewrite {
    /// The rewrite that turns `from` into `to`.
    #[must_use]
    pub fn new(from: &Tuple, to: &Tuple) -> Self {
        let mut rewrite = Self::default();
        rewrite.set(from, to);
        rewrite
    }

    /// Makes this the rewrite that turns `from` into `to`. Never in line: a BPF program would have all
    /// words of both on its stack.
    #[inline(never)]
    pub const fn set(&mut self, from: &Tuple, to: &Tuple) {
        let taken = from.dst.take_from(from.src.take_from(Sum::ZERO));
        let addresses = to.dst.add_to(to.src.add_to(taken));
        let ports = Sum::ZERO
            .add16(!from.sport.raw())
            .add16(!from.dport.raw())
            .add16(to.sport.raw())
            .add16(to.dport.raw());
        self.to = *to;
        self.address_delta = addresses.fold();
        self.port_delta = ports.fold();
    }

    /// Rewrites the packet that `segment` was parsed from.
    #[inline(always)]
    pub fn apply<P: Packet>(&self, packet: &mut P, segment: &Segment) -> Result<(), EditError> {
        if self.to.src.is_v4() {
            packet.correct_l3(segment.l3 + Ipv4::CHECKSUM, self.address_delta)?;
            let addresses = [self.to.src.to_v4(), self.to.dst.to_v4()];
            packet.write(segment.l3 + Ipv4::ADDRESSES, &addresses)?;
        } else {
            packet.write(segment.l3 + Ipv6::ADDRESSES, &[self.to.src, self.to.dst])?;
        }
        let checksum = segment.checksum();
        let zero = if segment.is_udp() { Zero::Absent } else { Zero::Sum };
        packet.correct_l4_pseudo(checksum, self.address_delta, zero)?;
        packet.correct_l4(checksum, self.port_delta, zero)?;
        // UDP has its ports where TCP has them.
        packet.write(segment.l4 + Tcp::PORTS, &[self.to.sport, self.to.dport])
    }
}

/// The NAT ports to try for a client, one after the other.
///
/// The client's own port comes first if it lies in the pool's range, then ports spread
/// over the range from a place that depends on the client.
pub struct Ports {
    low: u32,
    span: u32,
    own: u32,
    next: u32,
}

impl Ports {
    /// Ports of `pool` for the client of `tuple`.
    #[inline(always)]
    pub const fn new(pool: &Pool, tuple: &Tuple) -> Self {
        let low = pool.port_low as u32;
        let span = (pool.port_high as u32).saturating_sub(low) + 1;
        let own = (tuple.sport.get() as u32).wrapping_sub(low);
        Self {
            low,
            span,
            own,
            next: mix(tuple.src.folded().to_be() ^ ((tuple.sport.raw() as u32) << 16)),
        }
    }

    /// The port of the given try, counted from zero.
    #[inline(always)]
    pub const fn get(&self, attempt: u32) -> Be16 {
        let offset = if attempt == 0 && self.own < self.span {
            self.own
        } else {
            // There always is a span, but a division that could fail is a panic in the BPF program.
            match mix(self.next.wrapping_add(attempt)).checked_rem(self.span) {
                Some(offset) => offset,
                None => 0,
            }
        };
        Be16::new((self.low + offset) as u16)
    }
}

/// Spreads the bits of a word (the finalizer of MurmurHash3).
#[inline(always)]
const fn mix(mut word: u32) -> u32 {
    word ^= word >> 16;
    word = word.wrapping_mul(0x85eb_ca6b);
    word ^= word >> 13;
    word = word.wrapping_mul(0xc2b2_ae35);
    word ^ (word >> 16)
}
