//! What the parser needs of a datagram, whatever its family.

use zerocopy::FromZeros;

use crate::{
    addr::Addr,
    be::Be16,
    packet::Packet,
    verdict::PassReason,
    wire::{
        Fragment,
        eth::{self, Ethernet},
        ipv4, ipv6,
    },
};

/// Longest that the length field of either header can tell, in bytes.
const LONGEST: usize = 0xffff;

/// A datagram in a frame. Offsets are bytes from the start of the frame.
#[derive(Clone, Copy, Debug, Default, FromZeros)]
pub struct Datagram {
    /// Source address.
    pub src: Addr,
    /// Destination address.
    pub dst: Addr,
    /// Number of the protocol above.
    pub protocol: u8,
    /// Which part of it this is.
    pub fragment: Fragment,
    /// Hops that it may still take (TTL, hop limit).
    pub hops: u8,
    /// Where that begins.
    pub l4: usize,
    /// Where the datagram ends; Ethernet padding does not count.
    pub end: usize,
}

impl Datagram {
    /// Where the IP header starts.
    pub const L3: usize = Ethernet::LEN;

    /// Reads the headers of a frame of either family, up to the protocol above IP.
    ///
    /// # Errors
    /// Why the frame is not ours to touch.
    #[inline(always)]
    pub fn read<P: Packet>(&mut self, packet: &P) -> Result<(), PassReason> {
        if !packet.is_for_host() {
            return Err(PassReason::OtherHost);
        }
        let ethertype: Be16 = packet.peek(Ethernet::TYPE).ok_or(PassReason::Malformed)?;
        if packet.has_vlan_tag() {
            return Err(PassReason::Vlan);
        }
        match ethertype.get() {
            eth::IPV4 => ipv4::read(packet, Self::L3, self),
            eth::IPV6 => ipv6::read(packet, Self::L3, self),
            eth::VLAN => Err(PassReason::Vlan),
            _ => Err(PassReason::NotIp),
        }
    }

    /// Whether the protocol above is this one, or may be: headers between can be in an earlier fragment
    /// (RFC 8200 section 4.5).
    #[inline(always)]
    pub const fn is_of(&self, protocol: u8) -> bool {
        self.protocol == protocol
            || (self.fragment.is_later() && !self.src.is_v4() && ipv6::is_extension(self.protocol))
    }
}

/// Where a datagram ends whose header says that there are so many bytes from `start` on. A GSO packet
/// that is too long for the field says zero (BIG TCP), and is all that there is.
#[inline(always)]
pub(super) fn end<P: Packet>(packet: &P, start: usize, stated: usize) -> usize {
    match stated {
        0 if packet.len().saturating_sub(start) > LONGEST => packet.len(),
        stated => start + stated,
    }
}
