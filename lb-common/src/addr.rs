//! Network addresses as the datapath stores them.
//!
//! Outside this file and [`crate::wire`] nothing knows how long an address is.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{
    be::{Be16, Be32},
    checksum::Sum,
};

/// An address of either family in network byte order, one of IPv4 as its mapped address
/// (`::ffff:a.b.c.d`, RFC 4291 section 2.5.5.2).
#[derive(
    Clone, Copy, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(transparent)]
pub struct Addr([Be32; 4]);

/// An IPv4 address in network byte order, as it lies in packets.
pub type Addr4 = Be32;

/// The third word of every mapped address.
const MAPPED: Be32 = Be32::new(0xffff);

impl Addr {
    /// Bits of an address.
    pub const BITS: u32 = 128;
    /// Bits that all IPv4 addresses have in common, their first ones: a prefix of an IPv4 network is
    /// so much longer here.
    pub const V4_BITS: u32 = 96;

    /// The address of an IPv4 packet.
    #[inline(always)]
    #[must_use]
    pub const fn v4(address: Addr4) -> Self {
        Self([Be32::new(0), Be32::new(0), MAPPED, address])
    }

    /// An address of either family.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self::v4(Be32::new(v4.to_bits())),
            IpAddr::V6(v6) => Self::from_bits(v6.to_bits()),
        }
    }

    /// Whether the address is one of IPv4.
    #[inline(always)]
    #[must_use]
    pub const fn is_v4(self) -> bool {
        self.0[0].raw() | self.0[1].raw() == 0 && self.0[2].raw() == MAPPED.raw()
    }

    /// The address as IPv4 packets have it; only of use if it is one ([`Self::is_v4`]).
    #[inline(always)]
    #[must_use]
    pub const fn to_v4(self) -> Addr4 {
        self.0[3]
    }

    /// The address in 32 bits in host order, longer ones by exclusive OR of their words: what
    /// HAProxy hashes a source address to (`balance source`).
    #[inline(always)]
    pub(crate) const fn folded(self) -> u32 {
        let [a, b, c, d] = self.0;
        if self.is_v4() { d.get() } else { a.get() ^ b.get() ^ c.get() ^ d.get() }
    }

    /// Adds the words of the address to a one's complement sum. What comes before a mapped IPv4
    /// address adds nothing (0xffff is zero there).
    #[inline(always)]
    pub(crate) const fn add_to(self, sum: Sum) -> Sum {
        let [a, b, c, d] = self.0;
        sum.add32(a.raw()).add32(b.raw()).add32(c.raw()).add32(d.raw())
    }

    /// Takes the words of the address out of a one's complement sum.
    #[inline(always)]
    pub(crate) const fn take_from(self, sum: Sum) -> Sum {
        let [a, b, c, d] = self.0;
        sum.add32(!a.raw()).add32(!b.raw()).add32(!c.raw()).add32(!d.raw())
    }

    /// The mask of the first `bits` bits; all of them if there are not so many.
    #[must_use]
    pub const fn mask(bits: u32) -> Self {
        let host = match u128::MAX.checked_shr(bits) {
            Some(host) => host,
            None => 0,
        };
        Self::from_bits(!host)
    }

    /// The bits of the address that `mask` keeps.
    #[inline(always)]
    #[must_use]
    pub const fn masked(self, mask: Self) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, mask.0);
        Self([a.and(e), b.and(f), c.and(g), d.and(h)])
    }

    const fn from_bits(bits: u128) -> Self {
        Self([
            Be32::new((bits >> 96) as u32),
            Be32::new((bits >> 64) as u32),
            Be32::new((bits >> 32) as u32),
            Be32::new(bits as u32),
        ])
    }

    const fn to_bits(self) -> u128 {
        let [a, b, c, d] = self.0;
        (a.get() as u128) << 96
            | (b.get() as u128) << 64
            | (c.get() as u128) << 32
            | d.get() as u128
    }
}

impl From<Ipv4Addr> for Addr {
    fn from(address: Ipv4Addr) -> Self {
        Self::v4(Be32::new(address.to_bits()))
    }
}

impl From<Ipv6Addr> for Addr {
    fn from(address: Ipv6Addr) -> Self {
        Self::from_bits(address.to_bits())
    }
}

impl From<IpAddr> for Addr {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => address.into(),
        }
    }
}

impl From<Addr> for IpAddr {
    fn from(address: Addr) -> Self {
        if address.is_v4() {
            Ipv4Addr::from_bits(address.to_v4().get()).into()
        } else {
            Ipv6Addr::from_bits(address.to_bits()).into()
        }
    }
}

impl core::fmt::Debug for Addr {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        IpAddr::from(*self).fmt(f)
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

    /// Whether this is the other one's [`Self::reversed`].
    #[inline(always)]
    #[must_use]
    pub fn is_reverse_of(&self, other: &Self) -> bool {
        self.src == other.dst
            && self.dst == other.src
            && self.sport == other.dport
            && self.dport == other.sport
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString as _;

    use super::*;

    #[test]
    fn a_mask_keeps_the_first_bits() {
        let cases = [
            ("198.51.100.255", 96, "0.0.0.0"),
            ("198.51.100.255", 97, "128.0.0.0"),
            ("198.51.100.255", 120, "198.51.100.0"),
            ("198.51.100.255", 127, "198.51.100.254"),
            ("198.51.100.255", 128, "198.51.100.255"),
            ("198.51.100.255", 129, "198.51.100.255"),
            ("2001:db8:ffff:1::5", 0, "::"),
            ("2001:db8:ffff:1::5", 33, "2001:db8:8000::"),
            ("2001:db8:ffff:1::5", 64, "2001:db8:ffff:1::"),
            ("2001:db8:ffff:1::5", 128, "2001:db8:ffff:1::5"),
        ];
        for (address, bits, kept) in cases {
            let address = Addr::from(address.parse::<IpAddr>().unwrap());
            assert_eq!(IpAddr::from(address.masked(Addr::mask(bits))).to_string(), kept, "/{bits}");
        }
    }

    #[test]
    fn haproxy_folds_addresses_by_exclusive_or() {
        let folded = |address: &str| Addr::from(address.parse::<IpAddr>().unwrap()).folded();
        assert_eq!(folded("10.0.0.1"), 0x0a00_0001);
        assert_eq!(
            folded("1:2:3:4:5:6:7:8"),
            0x0001_0002 ^ 0x0003_0004 ^ 0x0005_0006 ^ 0x0007_0008
        );
    }

    #[test]
    fn a_mapped_address_sums_up_like_its_last_word() {
        let address = Addr::from(Ipv4Addr::new(198, 51, 100, 7));
        assert!(address.is_v4());
        assert_eq!(
            address.add_to(Sum::ZERO).fold() % 0xffff,
            Sum::ZERO.add32(address.to_v4().raw()).fold() % 0xffff
        );
    }
}
