//! Ethernet II (IEEE 802.3 clause 3).

use core::mem::offset_of;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::be::Be16;

/// EtherType of IPv4.
pub const IPV4: u16 = 0x0800;

/// EtherType of IPv6.
pub const IPV6: u16 = 0x86dd;

/// EtherType of a VLAN tag (IEEE 802.1Q).
pub const VLAN: u16 = 0x8100;

/// An Ethernet header without VLAN tag.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Ethernet {
    /// Destination MAC address.
    pub dst: [u8; 6],
    /// Source MAC address.
    pub src: [u8; 6],
    /// What follows.
    pub ethertype: Be16,
}

impl Ethernet {
    /// Where the EtherType lies.
    pub const TYPE: usize = offset_of!(Self, ethertype);
    /// Bytes the header takes.
    pub const LEN: usize = size_of::<Self>();
}

const _: () = assert!(Ethernet::LEN == 14 && Ethernet::TYPE == 12);
