//! Hops that a packet may take.

use crate::{
    be::Be16,
    checksum::Sum,
    packet::{EditError, Packet},
    wire::{ipv4::Ipv4, ipv6::Ipv6},
};

/// Takes one of the hops that the packet with its IP header at `l3` may still take, of which there is one at least (RFC 1812 section
/// 5.3.1, RFC 8200 section 3).
#[inline(always)]
pub(crate) fn take_hop<P: Packet>(packet: &mut P, l3: usize, v4: bool) -> Result<(), EditError> {
    if v4 {
        let old: Be16 = packet.read(l3 + Ipv4::TTL).ok_or(EditError)?;
        let new = Be16::new(old.get().wrapping_sub(1 << 8));
        let delta = Sum::ZERO.add16(!old.raw()).add16(new.raw()).fold();
        packet.correct_l3(l3 + Ipv4::CHECKSUM, delta)?;
        packet.write(l3 + Ipv4::TTL, &new)
    } else {
        let old: Be16 = packet.read(l3 + Ipv6::HOP_LIMIT).ok_or(EditError)?;
        packet.write_summed(l3 + Ipv6::HOP_LIMIT, &Be16::new(old.get().wrapping_sub(1)))
    }
}
