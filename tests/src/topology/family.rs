use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The version of IP that a network is built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// Host `last` on a subnet behind the router, 192.168.x.0/24 or 2001:db8:c0:x::/64.
    pub(super) fn behind(self, subnet: u8, last: u8) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::new(192, 168, subnet, last).into(),
            Self::V6 => {
                let (subnet, last) = (subnet.into(), last.into());
                Ipv6Addr::new(0x2001, 0xdb8, 0xc0, subnet, 0, 0, 0, last).into()
            }
        }
    }

    /// Prefix length of subnets behind the router.
    pub(super) const fn prefix(self) -> u8 {
        match self {
            Self::V4 => 24,
            Self::V6 => 64,
        }
    }
}

/// The address with another last byte.
pub(super) fn neighbour(address: IpAddr, last: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            Ipv4Addr::new(a, b, c, last).into()
        }
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !0xff | u128::from(last)).into(),
    }
}
