//! A tenant in two namespaces: that of the load balancer, and one for all the rest of the network. Tenants may have the same
//! addresses.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::{Error, Namespace, Veth};

const MTU: u32 = 1500;

/// A tenant's network, and the namespace of its pool.
#[derive(Debug)]
pub struct Tenant {
    /// Id of the pool.
    pub id: String,
    /// The pool's namespace, `qlbaas-<id>`.
    pub namespace: Namespace,
    /// The rest of the network: members and clients, at different addresses.
    pub world: Namespace,
    /// Where clients connect.
    pub vip: SocketAddr,
    device: Veth,
}

impl Tenant {
    /// Port of the VIP and of the member.
    const PORT: u16 = 80;

    /// Makes the network 10.0.0.0/24 of a tenant with this number: the VIP is 10.0.0.250, its member 10.0.0.2, and a client is
    /// at 10.0.0.9.
    ///
    /// # Errors
    /// When the kernel refuses, for example because there is such a tenant.
    pub fn create(number: u16) -> Result<Self, Error> {
        let id = format!("tenant-{number}");
        let namespace = Namespace::create(&format!("qlbaas-{id}"))?;
        let world = Namespace::create(&format!("world-{number}"))?;
        let [high, low] = number.to_be_bytes();
        let mac = [0xfa, 0x16, 0x3e, 0, high, low];
        let device = Veth::create(&namespace, &format!("tap{number}"), mac, MTU, &world)?;
        let give = |namespace: &Namespace, device: &str, host: u8| {
            let address = format!("{}/24", Self::address(host));
            let add = ["address", "add", &address, "dev", device];
            namespace.command("ip").args(add).stdout().map(drop)
        };
        give(&namespace, device.name(), 250)?;
        give(&world, device.host_name(), 2)?;
        give(&world, device.host_name(), 9)?;
        world.command("ip").args(["link", "set", "lo", "up"]).stdout()?;
        let vip = SocketAddr::new(Self::address(250), Self::PORT);
        Ok(Self { id, namespace, world, vip, device })
    }

    /// The member.
    #[must_use]
    pub fn member(&self) -> SocketAddr {
        SocketAddr::new(Self::address(2), Self::PORT)
    }

    /// Where a client connects from, with this port.
    #[must_use]
    pub fn client(&self, port: u16) -> SocketAddr {
        SocketAddr::new(Self::address(9), port)
    }

    /// The VIP's device.
    #[must_use]
    pub fn device(&self) -> &str {
        self.device.name()
    }

    const fn address(host: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(10, 0, 0, host))
    }
}
