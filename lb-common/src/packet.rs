//! What a decision may do to a packet.

use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::addr::Addr;

/// The kernel refused to change the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EditError;

/// A frame that can be read and, in narrow ways, edited.
///
/// Offsets are bytes from the start of the Ethernet header.
pub trait Packet {
    /// Bytes of the whole frame, all segments of a GSO packet included.
    fn len(&self) -> usize;

    /// Whether the frame is empty.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the frame is addressed to this host's MAC address.
    fn is_for_host(&self) -> bool;

    /// Whether the frame came with a VLAN tag that the kernel has taken off.
    fn has_vlan_tag(&self) -> bool;

    /// A copy of the `T` at `offset`; `None` when the frame ends before it does.
    fn read<T: FromBytes>(&self, offset: usize) -> Option<T>;

    /// The same of a header that lies in the first piece of nearly every packet.
    #[inline(always)]
    fn peek<T: FromBytes>(&self, offset: usize) -> Option<T> {
        self.read(offset)
    }

    /// Overwrites the bytes at `offset`. Checksums are the caller's concern.
    fn write<T: IntoBytes + Immutable>(
        &mut self,
        offset: usize,
        value: &T,
    ) -> Result<(), EditError>;

    /// As [`Self::write`], and keeps the sum right that the device may have computed over everything behind
    /// the Ethernet header (CHECKSUM_COMPLETE). For whatever no checksum of the packet makes up for.
    #[inline(always)]
    fn write_summed<T: IntoBytes + Immutable>(
        &mut self,
        offset: usize,
        value: &T,
    ) -> Result<(), EditError> {
        self.write(offset, value)
    }

    /// Sends the frame to the host with this address on the device's link when it is forwarded, instead of
    /// the next hop towards its destination.
    fn set_next_hop(&mut self, hop: &Addr) -> Result<(), EditError>;

    /// Makes the frame end after `len` bytes; new bytes are whatever.
    fn resize(&mut self, len: usize) -> Result<(), EditError>;

    /// Whether the checksum of the segment, at `offset`, is left to the device: the field then holds
    /// the pseudo-header's sum alone, uninverted (CHECKSUM_PARTIAL). The field's value is lost.
    fn leaves_checksum(&mut self, offset: usize) -> bool;

    /// Corrects the IP header checksum at `offset` by `delta` ([`crate::checksum`]).
    fn correct_l3(&mut self, offset: usize, delta: u16) -> Result<(), EditError>;

    /// Corrects the TCP or UDP checksum at `offset` by the `delta` of changed pseudo-header words, and the device's
    /// sum as well: addresses of IPv4 are made up for by the header's checksum, so only this is left.
    ///
    /// Apart from [`Self::correct_l4`] because a packet whose checksum is left to the
    /// device holds the pseudo-header's sum alone, uninverted (CHECKSUM_PARTIAL).
    fn correct_l4_pseudo(&mut self, offset: usize, delta: u16) -> Result<(), EditError>;

    /// Corrects the TCP or UDP checksum at `offset` by the `delta` of changed words of the segment itself.
    fn correct_l4(&mut self, offset: usize, delta: u16) -> Result<(), EditError>;
}

/// A way to send frames that answer no packet.
pub trait Outlet {
    /// What the frames are written into.
    type Packet: Packet;

    /// A frame to write over.
    fn packet(&mut self) -> &mut Self::Packet;

    /// Sends the frame as if it had come in on the VIP's device, where it is forwarded as any other.
    fn deliver(&mut self) -> Result<(), EditError>;
}
