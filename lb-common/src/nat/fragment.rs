//! Fragments. Those behind the first have no header but that of IP, and no checksum of the protocol above: the
//! one in the first fragment is of the whole datagram, and is made right there.

use crate::{
    be::{Be16, Be32},
    checksum::Sum,
    nat::Rewrite,
    packet::{EditError, Packet},
    wire::{Fragment, ipv4::Ipv4},
};

impl Rewrite {
    /// Rewrites a later fragment, whose IP header is at `l3`; its datagram's identification is `id` from now on.
    #[inline(always)]
    pub fn apply_to_later<P: Packet>(
        &self,
        packet: &mut P,
        l3: usize,
        fragment: &Fragment,
        id: u32,
    ) -> Result<(), EditError> {
        self.readdress(packet, l3)?;
        self.renumber(packet, l3, fragment, id)
    }

    /// Gives any fragment the identification `id`.
    ///
    /// Clients number their datagrams each by itself. Behind one source address two of them could be taken
    /// for one where they are put together (RFC 6864 section 5.3).
    #[inline(always)]
    pub fn renumber<P: Packet>(
        &self,
        packet: &mut P,
        l3: usize,
        fragment: &Fragment,
        id: u32,
    ) -> Result<(), EditError> {
        if self.to.src.is_v4() {
            let (old, new) = (Be16::new(fragment.id as u16), Be16::new(id as u16));
            let delta = Sum::ZERO.add16(!old.raw()).add16(new.raw()).fold();
            packet.correct_l3(l3 + Ipv4::CHECKSUM, delta)?;
            packet.write(fragment.id_at, &new)
        } else {
            packet.write_summed(fragment.id_at, &Be32::new(id))
        }
    }
}
