//! Network addresses as the datapath stores them.
//!
//! Outside this file and [`crate::wire`] nothing knows how long an address is.

use core::net::Ipv4Addr;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::be::{Be16, Be32};

/// An IPv4 address in network byte order.
#[derive(
    Clone, Copy, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(transparent)]
pub struct Addr(Be32);

impl Addr {
    /// The address in 32 bits in host order, longer ones by exclusive OR of their words: what
    /// HAProxy hashes a source address to (`balance source`).
    #[inline(always)]
    pub(crate) const fn folded(self) -> u32 {
        self.0.get()
    }

    /// The words of the address, for one's complement sums.
    #[inline(always)]
    pub(crate) const fn raw(self) -> u32 {
        self.0.raw()
    }
}

impl From<Ipv4Addr> for Addr {
    fn from(address: Ipv4Addr) -> Self {
        Self(Be32::new(address.to_bits()))
    }
}

impl From<Addr> for Ipv4Addr {
    fn from(address: Addr) -> Self {
        Self::from_bits(address.0.get())
    }
}

impl core::fmt::Debug for Addr {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        Ipv4Addr::from(*self).fmt(f)
    }
}

/// Source and destination of one direction of a connection.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Tuple {
    /// Source address.
    pub src: Addr,
    /// Destination address.
    pub dst: Addr,
    /// Source port.
    pub sport: Be16,
    /// Destination port.
    pub dport: Be16,
}

impl Tuple {
    /// The same connection seen from the other end.
    #[inline(always)]
    #[must_use]
    pub const fn reversed(&self) -> Self {
        Self { src: self.dst, dst: self.src, sport: self.dport, dport: self.sport }
    }
}
