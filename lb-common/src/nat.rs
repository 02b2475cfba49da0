//! Full NAT: what a rewrite consists of.

mod fragment;
mod hops;
mod quote;

pub(crate) use hops::take_hop;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{
    addr::Tuple,
    checksum::{self, Sum},
    packet::{EditError, Packet},
    wire::{Segment, ipv4::Ipv4, ipv6::Ipv6, tcp::Tcp},
};

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
    pub const fn new(from: &Tuple, to: &Tuple) -> Self {
        let mut rewrite = Self { to: *to, address_delta: 0, port_delta: 0 };
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

    /// Makes this the rewrite that turns `from` into what goes the way of `forth` back.
    #[inline(never)]
    pub const fn set_back(&mut self, from: &Tuple, forth: &Tuple) {
        self.set(from, &forth.reversed());
    }

    /// Rewrites the packet that `segment` was parsed from.
    #[inline(always)]
    pub fn apply<P: Packet>(&self, packet: &mut P, segment: &Segment) -> Result<(), EditError> {
        self.readdress(packet, segment.l3)?;
        // UDP has its ports where TCP has them.
        let (at, ports) = (segment.l4 + Tcp::PORTS, [self.to.sport, self.to.dport]);
        if segment.lacks_checksum {
            return packet.write_summed(at, &ports);
        }
        let checksum = segment.checksum();
        packet.correct_l4_pseudo(checksum, self.address_delta)?;
        // Nearly every client has its own port towards the member.
        let moves = segment.tuple.sport != self.to.sport || segment.tuple.dport != self.to.dport;
        if moves {
            packet.correct_l4(checksum, self.port_delta)?;
        }
        if segment.is_udp() && packet.read(checksum) == Some(0_u16) {
            // Zero would say that there is none; all ones add up to as much (RFC 768).
            packet.write(checksum, &u16::MAX)?;
        }
        if moves { packet.write(at, &ports) } else { Ok(()) }
    }

    /// Rewrites the addresses in the IP header at `l3`.
    #[inline(always)]
    fn readdress<P: Packet>(&self, packet: &mut P, l3: usize) -> Result<(), EditError> {
        if self.to.src.is_v4() {
            let field: u16 = packet.peek(l3 + Ipv4::CHECKSUM).ok_or(EditError)?;
            let checksum = checksum::apply(field, self.address_delta);
            let ends = [self.to.src.to_v4(), self.to.dst.to_v4()];
            packet.write(l3 + Ipv4::CHECKSUM, &Ipv4::tail(checksum, ends))
        } else {
            // The header has no checksum to make up for them.
            packet.write_summed(l3 + Ipv6::ADDRESSES, &[self.to.src, self.to.dst])
        }
    }
}
