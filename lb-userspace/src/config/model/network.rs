//! Networks of clients, as the Octavia API writes them: CIDRs and netmasks.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::ValueError;

/// A network: an address and the length of its prefix; the bits behind it are zero (RFC 4632).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    address: IpAddr,
    bits: u8,
}

impl Cidr {
    /// Most networks that a VIP can be restricted to.
    pub const MOST: usize = 10_000;

    /// The network's address.
    pub const fn address(self) -> IpAddr {
        self.address
    }

    /// Length of the prefix in bits.
    pub const fn bits(self) -> u8 {
        self.bits
    }
}

impl FromStr for Cidr {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong = || ValueError::Cidr(text.to_owned());
        let (address, bits) = text.split_once('/').ok_or_else(wrong)?;
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let digits = !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit());
        let bits = bits.parse().ok().filter(|bits| digits && *bits <= width(address));
        let bits: u8 = bits.ok_or_else(wrong)?;
        let network = masked(address, bits);
        if network != address {
            return Err(ValueError::HostBits { cidr: text.to_owned(), network, bits });
        }
        Ok(Self { address, bits })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// Which bits of an address count: ones, then zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Netmask(Cidr);

impl Netmask {
    /// How many bits count.
    pub const fn bits(self) -> u8 {
        self.0.bits
    }

    /// Whether it is for IPv4 addresses.
    pub const fn is_ipv4(self) -> bool {
        self.0.address.is_ipv4()
    }
}

impl FromStr for Netmask {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong = || ValueError::Netmask(text.to_owned());
        let address: IpAddr = text.parse().map_err(|_| wrong())?;
        let (ones, all) = match address {
            IpAddr::V4(mask) => (mask.to_bits().leading_ones(), IpAddr::from([0xff; 4])),
            IpAddr::V6(mask) => (mask.to_bits().leading_ones(), IpAddr::from([0xff; 16])),
        };
        let bits = ones as u8;
        if bits == 0 || masked(all, bits) != address {
            return Err(wrong());
        }
        Ok(Self(Cidr { address, bits }))
    }
}

impl fmt::Display for Netmask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.address.fmt(f)
    }
}

const fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn masked(address: IpAddr, bits: u8) -> IpAddr {
    let host = u32::from(width(address) - bits);
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(host).unwrap_or(0);
            Ipv4Addr::from_bits(v4.to_bits() & mask).into()
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(host).unwrap_or(0);
            Ipv6Addr::from_bits(v6.to_bits() & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_no_host_bits() {
        for text in ["0.0.0.0/0", "10.0.0.0/8", "192.0.2.7/32", "::/0", "2001:db8::/32", "::1/128"]
        {
            assert_eq!(text.parse::<Cidr>().unwrap().to_string(), text);
        }
        let error = "10.0.0.9/24".parse::<Cidr>().unwrap_err();
        assert!(error.help().contains("zero"), "{}", error.help());
        assert!(error.to_string().contains("10.0.0.0/24"), "{error}");
        for text in ["10.0.0.0", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "10.0.0/8", "::/129"] {
            assert_eq!(text.parse::<Cidr>(), Err(ValueError::Cidr(text.to_owned())));
        }
    }

    #[test]
    fn a_netmask_is_ones_then_zeros() {
        for (text, bits) in [("255.255.255.0", 24), ("255.255.255.255", 32), ("128.0.0.0", 1)] {
            let mask: Netmask = text.parse().unwrap();
            assert_eq!((mask.bits(), mask.to_string().as_str()), (bits, text));
        }
        assert_eq!("ffff:ffff::".parse::<Netmask>().unwrap().bits(), 32);
        for text in ["0.0.0.0", "255.0.255.0", "0.0.0.255", "24", "/24", "::1"] {
            assert_eq!(text.parse::<Netmask>(), Err(ValueError::Netmask(text.to_owned())));
        }
    }
}
