//! ICMP errors, whose quotes are segments as they were after their rewrite.

use crate::{
    checksum::{self, Sum},
    nat::Rewrite,
    packet::{EditError, Packet},
    wire::{Datagram, IcmpError, ipv4::Ipv4, ipv6::Ipv6, tcp::Tcp},
};

impl Rewrite {
    /// Turns an error into one for the other end, about the segment as that end has sent it. This is the
    /// rewrite of the segment's opposite direction, that of packets from where the segment could not go
    /// to.
    ///
    /// Whoever sent the error, it now comes from the VIP: the other end knows nobody behind it, and
    /// a port of Neutron's may send from its own addresses only. RFC 5508 section 4.2 wants the same
    /// (REQ-4 c) of what comes from the private side of a NAT; here either side is private to the other.
    #[inline(always)]
    pub fn apply_to_error<P: Packet>(
        &self,
        packet: &mut P,
        error: &IcmpError,
    ) -> Result<(), EditError> {
        let to = &self.to;
        let sent = to.reversed();
        let outer =
            to.dst.add_to(to.src.add_to(error.dst.take_from(error.src.take_from(Sum::ZERO))));
        let outer = outer.fold();
        // The deltas are the same in both directions: both have the same two ends.
        let (addresses, ports) = (self.address_delta, self.port_delta);

        // What the error's own checksum covers changes by this.
        let mut covered = Sum::ZERO.add16(ports);
        if to.src.is_v4() {
            packet.correct_l3(Datagram::L3 + Ipv4::CHECKSUM, outer)?;
            let ends = [to.src.to_v4(), to.dst.to_v4()];
            packet.write(Datagram::L3 + Ipv4::ADDRESSES, &ends)?;
            // A header whose checksum makes up for its addresses adds up to the same.
            packet.correct_l3(error.quoted_l3 + Ipv4::CHECKSUM, addresses)?;
            let ends = [sent.src.to_v4(), sent.dst.to_v4()];
            packet.write(error.quoted_l3 + Ipv4::ADDRESSES, &ends)?;
        } else {
            packet.write_summed(Datagram::L3 + Ipv6::ADDRESSES, &[to.src, to.dst])?;
            packet.write(error.quoted_l3 + Ipv6::ADDRESSES, &[sent.src, sent.dst])?;
            packet.correct_l4_pseudo(error.checksum, outer)?;
            covered = covered.add16(addresses);
        }
        packet.write(error.quoted_l4 + Tcp::PORTS, &[sent.sport, sent.dport])?;
        if let Some(checksum) = error.quoted_checksum() {
            let whole = Sum::ZERO.add16(addresses).add16(ports).fold();
            let old: u16 = packet.read(checksum).ok_or(EditError)?;
            // A datagram whose sender has left it out has none, and none comes to be (RFC 768).
            let new = match checksum::apply(old, whole) {
                _ if error.is_udp() && old == 0 => 0,
                0 if error.is_udp() => u16::MAX,
                new => new,
            };
            // No device completes what is quoted.
            packet.write(checksum, &new)?;
            covered = covered.add16(!old).add16(new);
        }
        packet.correct_l4(error.checksum, covered.fold())
    }
}
