//! The two pools of the LBaaS v1 tutorials, as Neutron had numbered them, and the same in IPv6.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::Family;
use crate::Cidr;

/// Identity and addresses of a deployed pool.
#[derive(Clone, Copy, Debug)]
pub struct SeedPool {
    /// Neutron's id of the pool.
    pub id: &'static str,
    /// Device of the VIP in the pool's namespace: `tap` and the port id's first 11 characters.
    pub device: &'static str,
    /// MAC address of the VIP's port.
    pub mac: [u8; 6],
    /// The VIP with its port.
    pub vip: SocketAddr,
    /// Prefix length of the VIP's subnet.
    pub prefix: u8,
    /// Members on the VIP's subnet.
    pub members: [SocketAddr; 2],
    /// Name of the router's namespace.
    pub router: &'static str,
    /// The router's address on the VIP's subnet.
    pub gateway: IpAddr,
}

impl SeedPool {
    /// The family of all its addresses.
    #[must_use]
    pub const fn family(&self) -> Family {
        Family::of(self.gateway)
    }

    /// Next hop of default routes on the VIP's subnet. With IPv6 it is the router's link-local address,
    /// as router advertisements (RFC 4861 section 4.2) name it.
    #[must_use]
    pub const fn next_hop(&self) -> IpAddr {
        match self.family() {
            Family::V4 => self.gateway,
            Family::V6 => IpAddr::V6(ROUTER),
        }
    }

    /// Name of the pool's namespace.
    #[must_use]
    pub fn namespace(&self) -> String {
        format!("qlbaas-{}", self.id)
    }

    /// `address` on the VIP's subnet.
    #[must_use]
    pub fn on_subnet(&self, address: IpAddr) -> Cidr {
        Cidr::new(address, self.prefix)
    }
}

/// Link-local address of routers, on each of their devices.
pub(super) const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

const fn v4([a, b, c, d]: [u8; 4], port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), port)
}

/// Of the documentation's prefix (RFC 3849).
const fn v6(subnet: u16, host: u16, port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, subnet, 0, 0, 0, 0, host)), port)
}

/// [`SSH_POOL`] in IPv6.
pub const SSH_POOL_V6: SeedPool = SeedPool {
    vip: v6(0xa, 0x250, 22),
    prefix: 64,
    members: [v6(0xa, 2, 22), v6(0xa, 4, 22)],
    gateway: v6(0xa, 1, 0).ip(),
    ..SSH_POOL
};

/// [`WEB_POOL`] in IPv6.
pub const WEB_POOL_V6: SeedPool = SeedPool {
    vip: v6(0xac, 0x11, 80),
    prefix: 64,
    members: [v6(0xac, 0x10, 80), v6(0xac, 9, 80)],
    gateway: v6(0xac, 1, 0).ip(),
    ..WEB_POOL
};

/// TCP pool of two ssh servers, leastconn.
pub const SSH_POOL: SeedPool = SeedPool {
    id: "574a31da-a28a-449f-8c9d-3d3687c3c02a",
    device: "tapfb358342-59",
    mac: [0xfa, 0x16, 0x3e, 0x68, 0x77, 0x37],
    vip: v4([10, 0, 0, 250], 22),
    prefix: 24,
    members: [v4([10, 0, 0, 2], 22), v4([10, 0, 0, 4], 22)],
    router: "qrouter-40fff075-d3a2-477b-942c-6b1adb42e35e",
    gateway: v4([10, 0, 0, 1], 0).ip(),
};

/// HTTP pool "web servers", roundrobin.
pub const WEB_POOL: SeedPool = SeedPool {
    id: "8c1f6d2e-5b7a-4e39-9d40-2a6b7c8d9e01",
    device: "tap3d90c5e7-1b",
    mac: [0xfa, 0x16, 0x3e, 0x2c, 0x91, 0x0d],
    vip: v4([172, 16, 100, 11], 80),
    prefix: 24,
    members: [v4([172, 16, 100, 10], 80), v4([172, 16, 100, 9], 80)],
    router: "qrouter-b6a20f4d-90c3-4f7e-8a51-c2d7e1f05b38",
    gateway: v4([172, 16, 100, 1], 0).ip(),
};
