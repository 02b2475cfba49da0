//! The two pools of the LBaaS v1 tutorials, as Neutron had numbered them.

use std::net::{Ipv4Addr, SocketAddrV4};

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
    pub vip: SocketAddrV4,
    /// Prefix length of the VIP's subnet.
    pub prefix: u8,
    /// Members on the VIP's subnet.
    pub members: [SocketAddrV4; 2],
    /// Name of the router's namespace.
    pub router: &'static str,
    /// The router's address on the VIP's subnet.
    pub gateway: Ipv4Addr,
}

impl SeedPool {
    /// Name of the pool's namespace.
    #[must_use]
    pub fn namespace(&self) -> String {
        format!("qlbaas-{}", self.id)
    }

    /// `address` on the VIP's subnet.
    #[must_use]
    pub fn on_subnet(&self, address: Ipv4Addr) -> Cidr {
        Cidr::new(address, self.prefix)
    }
}

/// TCP pool of two ssh servers, leastconn.
pub const SSH_POOL: SeedPool = SeedPool {
    id: "574a31da-a28a-449f-8c9d-3d3687c3c02a",
    device: "tapfb358342-59",
    mac: [0xfa, 0x16, 0x3e, 0x68, 0x77, 0x37],
    vip: SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 250), 22),
    prefix: 24,
    members: [
        SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 22),
        SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 4), 22),
    ],
    router: "qrouter-40fff075-d3a2-477b-942c-6b1adb42e35e",
    gateway: Ipv4Addr::new(10, 0, 0, 1),
};

/// HTTP pool "web servers", roundrobin.
pub const WEB_POOL: SeedPool = SeedPool {
    id: "8c1f6d2e-5b7a-4e39-9d40-2a6b7c8d9e01",
    device: "tap3d90c5e7-1b",
    mac: [0xfa, 0x16, 0x3e, 0x2c, 0x91, 0x0d],
    vip: SocketAddrV4::new(Ipv4Addr::new(172, 16, 100, 11), 80),
    prefix: 24,
    members: [
        SocketAddrV4::new(Ipv4Addr::new(172, 16, 100, 10), 80),
        SocketAddrV4::new(Ipv4Addr::new(172, 16, 100, 9), 80),
    ],
    router: "qrouter-b6a20f4d-90c3-4f7e-8a51-c2d7e1f05b38",
    gateway: Ipv4Addr::new(172, 16, 100, 1),
};
