//! Which addresses a VIP or a member can have (RFC 6890, RFC 4291).

use std::net::IpAddr;

/// What `address` is instead of the address of one host on a network. Link-local addresses are
/// such addresses; a network's own broadcast address cannot be told without its prefix.
pub(super) fn not_a_host(address: IpAddr) -> Option<&'static str> {
    match address.to_canonical() {
        IpAddr::V4(v4) => match v4.octets() {
            [0, ..] => Some("in 0.0.0.0/8"),
            [127, ..] => Some("a loopback address"),
            [224..=239, ..] => Some("a multicast address"),
            [255, 255, 255, 255] => Some("the broadcast address"),
            [240..=255, ..] => Some("in the reserved 240.0.0.0/4"),
            _ => None,
        },
        IpAddr::V6(v6) if v6.is_unspecified() => Some("the unspecified address"),
        IpAddr::V6(v6) if v6.is_loopback() => Some("the loopback address"),
        IpAddr::V6(v6) if v6.is_multicast() => Some("a multicast address"),
        IpAddr::V6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_host_on_a_network_has_these() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "127.0.0.1",
            "127.255.255.254",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.254",
            "255.255.255.255",
            "::",
            "::1",
            "ff02::1",
            "::ffff:127.0.0.1",
        ] {
            assert!(not_a_host(address.parse().unwrap()).is_some(), "{address}");
        }
    }

    #[test]
    fn any_other_address_may_be_a_hosts() {
        for address in ["1.0.0.1", "10.0.0.255", "169.254.1.1", "223.255.255.1", "fe80::1", "2::"] {
            assert_eq!(not_a_host(address.parse().unwrap()), None, "{address}");
        }
    }
}
