//! Full NAT: what a rewrite consists of.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{
    addr::Tuple,
    checksum::Sum,
    packet::{EditError, Packet},
    wire::{Segment, ipv4::Ipv4, tcp::Tcp},
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
    #[inline(always)]
    pub const fn new(from: &Tuple, to: &Tuple) -> Self {
        let addresses = Sum::ZERO
            .add32(!from.src.raw())
            .add32(!from.dst.raw())
            .add32(to.src.raw())
            .add32(to.dst.raw());
        let ports = Sum::ZERO
            .add16(!from.sport.raw())
            .add16(!from.dport.raw())
            .add16(to.sport.raw())
            .add16(to.dport.raw());
        Self { to: *to, address_delta: addresses.fold(), port_delta: ports.fold() }
    }

    /// Rewrites the packet that `segment` was parsed from.
    #[inline(always)]
    pub fn apply<P: Packet>(&self, packet: &mut P, segment: &Segment) -> Result<(), EditError> {
        packet.correct_l3(segment.l3 + Ipv4::CHECKSUM, self.address_delta)?;
        packet.correct_l4_pseudo(segment.l4 + Tcp::CHECKSUM, self.address_delta)?;
        packet.correct_l4(segment.l4 + Tcp::CHECKSUM, self.port_delta)?;
        packet.write(segment.l3 + Ipv4::ADDRESSES, &[self.to.src, self.to.dst])?;
        packet.write(segment.l4 + Tcp::PORTS, &[self.to.sport, self.to.dport])
    }
}
