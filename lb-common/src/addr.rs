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
    /// Bits of an address.
    pub const BITS: u32 = 32;

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

    /// The mask of the first `bits` bits; all of them if there are not so many.
    #[must_use]
    pub const fn mask(bits: u32) -> Self {
        match u32::MAX.checked_shr(bits) {
            Some(host) => Self(Be32::new(!host)),
            None => Self(Be32::new(u32::MAX)),
        }
    }

    /// The bits of the address that `mask` keeps.
    #[inline(always)]
    #[must_use]
    pub const fn masked(self, mask: Self) -> Self {
        Self(Be32::new(self.0.get() & mask.0.get()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_keeps_the_first_bits() {
        let address = Addr::from(Ipv4Addr::new(198, 51, 100, 255));
        for (bits, kept) in [
            (0, [0, 0, 0, 0]),
            (1, [128, 0, 0, 0]),
            (24, [198, 51, 100, 0]),
            (31, [198, 51, 100, 254]),
            (32, [198, 51, 100, 255]),
            (33, [198, 51, 100, 255]),
        ] {
            assert_eq!(address.masked(Addr::mask(bits)), Ipv4Addr::from(kept).into(), "/{bits}");
        }
    }
}
