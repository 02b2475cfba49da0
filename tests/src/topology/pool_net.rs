use std::net::{IpAddr, SocketAddr};

use super::family::neighbour;
use super::pools::ROUTER;
use super::{Family, Host, LbaasNode, SeedPool};
use crate::{Bridge, Cidr, Error, ethtool, sysctl};

/// Where members or clients live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the VIP's subnet.
    VipSubnet,
    /// On a subnet of their own, one router hop away from the VIP.
    BehindRouter,
}

/// The shape of a [`PoolNet`].
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Number of members, 1 to 50. The first two on the VIP's subnet have the seed's addresses.
    pub members: u8,
    /// Where they are.
    pub members_at: Place,
    /// Number of clients, 1 to 50.
    pub clients: u8,
    /// Where they are.
    pub clients_at: Place,
}

impl Layout {
    /// The seed's: two members and the router's namespace as client, all on the VIP's subnet.
    pub const ONE_ARM: Self =
        Self { members: 2, members_at: Place::VipSubnet, clients: 1, clients_at: Place::VipSubnet };

    /// Members on one further subnet, clients on another, the router between.
    pub const ROUTED: Self = Self {
        members: 2,
        members_at: Place::BehindRouter,
        clients: 1,
        clients_at: Place::BehindRouter,
    };

    fn has_router(&self) -> bool {
        [self.members_at, self.clients_at].contains(&Place::BehindRouter)
    }
}

/// Numbers of the subnets behind the router.
const MEMBER_SUBNET: u8 = 51;
const CLIENT_SUBNET: u8 = 52;

/// A pool's VIP namespace, its members and its clients, plugged and reachable. Nothing listens:
/// start servers in the members' namespaces.
#[derive(Debug)]
pub struct PoolNet {
    /// The pool's namespace `qlbaas-<pool id>` with the VIP's device.
    pub vip: Host,
    /// Members.
    pub members: Vec<Host>,
    /// Clients. Without a router the first one is the router's namespace, as in the seed.
    pub clients: Vec<Host>,
    /// The forwarding router, if somebody is behind it.
    pub router: Option<Host>,
    /// Bridges of the subnets behind the router.
    bridges: Vec<Bridge>,
    /// What it was made from.
    pub pool: SeedPool,
    /// The node it is plugged into.
    pub node: LbaasNode,
}

/// The seed's one-arm pool on a node of its own.
///
/// # Errors
/// As for [`LbaasNode::new`] and [`LbaasNode::deploy`].
pub fn one_arm(pool: &SeedPool) -> Result<PoolNet, Error> {
    LbaasNode::new()?.deploy(pool, &Layout::ONE_ARM)
}

impl LbaasNode {
    /// Plugs a pool into the node and waits until clients reach the VIP and the VIP its members.
    ///
    /// # Errors
    /// [`Error::Netns`] if the pool is deployed already, [`Error::NeverTrue`] naming who does not
    /// reach whom.
    pub fn deploy(&self, pool: &SeedPool, layout: &Layout) -> Result<PoolNet, Error> {
        let mut vip = Host::create(&pool.namespace(), pool.family())?;
        let cidr = pool.on_subnet(pool.vip.ip());
        vip.plug(self.bridge(), pool.device, pool.mac, cidr, Some(pool.next_hop()))?;
        let mut net = PoolNet {
            vip,
            members: Vec::new(),
            clients: Vec::new(),
            router: None,
            bridges: Vec::new(),
            pool: *pool,
            node: self.clone(),
        };
        if layout.has_router() {
            net.router = Some(net.add_router()?);
        }
        net.members = net.add_members(layout)?;
        net.clients = net.add_clients(layout)?;
        net.wait_ready()?;
        Ok(net)
    }
}

impl PoolNet {
    /// The first client.
    #[must_use]
    pub fn client(&self) -> &Host {
        &self.clients[0]
    }

    /// Where member `index` listens: its address with the pool's member port.
    #[must_use]
    pub fn member_socket(&self, index: usize) -> SocketAddr {
        SocketAddr::new(self.members[index].address(), self.pool.members[0].port())
    }

    /// Gives VIP, members and the first client the addresses they have in `other` as well: dual stack.
    /// For a network that was made for IPv6, without anybody behind a router; in it IPv4 is not switched off.
    ///
    /// # Errors
    /// As for [`crate::Port::configure`].
    pub fn also(&self, other: &SeedPool) -> Result<(), Error> {
        let addresses = [other.vip, other.members[0], other.members[1]].map(|at| at.ip());
        let hosts = [&self.vip, &self.members[0], &self.members[1]];
        let client = (self.client(), other.gateway);
        hosts
            .into_iter()
            .zip(addresses)
            .chain([client])
            .try_for_each(|(host, address)| host.ports[0].configure(other.on_subnet(address), None))
    }

    /// Switches checksum and segmentation offload of every device on or off. Off, packets in a
    /// capture are what a wire would carry, as [`crate::capture::assert_no_bad_checksums`] needs.
    ///
    /// # Errors
    /// As for [`ethtool::set`].
    pub fn set_offloads(&self, on: bool) -> Result<(), Error> {
        let features = ["tx", "tso", "gso", "gro"].map(|feature| (feature, on));
        let hosts = [&self.vip].into_iter().chain(&self.members).chain(&self.clients);
        hosts.chain(&self.router).try_for_each(|host| {
            let mut devices = host.ports.iter().map(|port| port.plug.device.as_str());
            devices.try_for_each(|device| ethtool::set(&host.namespace, device, &features))
        })
    }

    fn add_router(&self) -> Result<Host, Error> {
        let cidr = self.pool.on_subnet(self.pool.gateway);
        let router = self.on_vip_subnet(self.pool.router, &self.router_device(), cidr.address)?;
        match self.pool.family() {
            Family::V4 => {
                sysctl::set(&router.namespace, "net.ipv4.ip_forward", "1")?;
                // A redirect would teach hosts a way around the router.
                sysctl::set(&router.namespace, "net.ipv4.conf.all.send_redirects", "0")?;
            }
            // Redirects are for hosts to ignore: there is no such setting here.
            Family::V6 => sysctl::set(&router.namespace, "net.ipv6.conf.all.forwarding", "1")?,
        }
        Ok(router)
    }

    fn add_members(&mut self, layout: &Layout) -> Result<Vec<Host>, Error> {
        let bridge = self.bridge_for(layout.members_at, MEMBER_SUBNET)?;
        let seed = self.pool.members;
        (0..layout.members)
            .map(|index| {
                let address = match layout.members_at {
                    Place::BehindRouter => self.pool.family().behind(MEMBER_SUBNET, 10 + index),
                    Place::VipSubnet => match seed.get(usize::from(index)) {
                        Some(member) => member.ip(),
                        None => self.nearby(150 + index),
                    },
                };
                self.host(bridge, &format!("member-{address}"), address)
            })
            .collect()
    }

    fn add_clients(&mut self, layout: &Layout) -> Result<Vec<Host>, Error> {
        let bridge = self.bridge_for(layout.clients_at, CLIENT_SUBNET)?;
        (0..layout.clients)
            .map(|index| match (layout.clients_at, index) {
                (Place::VipSubnet, 0) if self.router.is_none() => {
                    self.on_vip_subnet(self.pool.router, &self.router_device(), self.pool.gateway)
                }
                (Place::VipSubnet, _) => {
                    let address = self.nearby(100 + index);
                    self.host(bridge, &format!("client-{address}"), address)
                }
                (Place::BehindRouter, _) => {
                    let address = self.pool.family().behind(CLIENT_SUBNET, 10 + index);
                    self.host(bridge, &format!("client-{address}"), address)
                }
            })
            .collect()
    }

    /// `None` for the integration bridge, else the index of a new one with the router on it.
    fn bridge_for(&mut self, place: Place, subnet: u8) -> Result<Option<usize>, Error> {
        let (Place::BehindRouter, Some(router)) = (place, &mut self.router) else {
            return Ok(None);
        };
        let name = format!("br{subnet}-{}", &self.pool.id[..8]);
        let bridge = Bridge::create(self.node.bridge().namespace(), &name)?;
        let family = self.pool.family();
        let gateway = family.behind(subnet, 1);
        let device = format!("qr-{subnet}");
        let mac = [0xfa, 0x16, 0x3e, 0xff, subnet, 1];
        router.plug(&bridge, &device, mac, Cidr::new(gateway, family.prefix()), None)?;
        router.answer_link_local(family)?;
        self.bridges.push(bridge);
        Ok(Some(self.bridges.len() - 1))
    }

    fn host(&self, bridge: Option<usize>, name: &str, address: IpAddr) -> Result<Host, Error> {
        match bridge {
            None => self.on_vip_subnet(name, "eth0", address),
            Some(index) => {
                let family = self.pool.family();
                let gateway = match family {
                    Family::V4 => neighbour(address, 1),
                    Family::V6 => ROUTER.into(),
                };
                let cidr = Cidr::new(address, family.prefix());
                Host::on(&self.bridges[index], name, "eth0", cidr, Some(gateway))
            }
        }
    }

    /// One more host on the VIP's subnet, with an address that ends with `last`, which nobody else may have.
    ///
    /// # Errors
    /// When the kernel refuses, or the first client does not reach it.
    pub fn beside(&self, name: &str, device: &str, last: u8) -> Result<Host, Error> {
        let host = self.on_vip_subnet(name, device, self.nearby(last))?;
        self.client().wait_reaches(host.address())?;
        Ok(host)
    }

    fn on_vip_subnet(&self, name: &str, device: &str, address: IpAddr) -> Result<Host, Error> {
        let is_router = address == self.pool.gateway;
        let gateway = (!is_router).then(|| self.pool.next_hop());
        let cidr = self.pool.on_subnet(address);
        let host = Host::on(self.node.bridge(), name, device, cidr, gateway)?;
        if is_router {
            host.answer_link_local(self.pool.family())?;
        }
        Ok(host)
    }

    fn nearby(&self, last: u8) -> IpAddr {
        neighbour(self.pool.gateway, last)
    }

    /// Neutron's name: `qr-` and the first 11 characters of a port id, here of the router's id.
    fn router_device(&self) -> String {
        let id = self.pool.router.trim_start_matches("qrouter-");
        format!("qr-{}", &id[..11])
    }

    fn wait_ready(&self) -> Result<(), Error> {
        let vip = self.vip.address();
        self.clients.iter().try_for_each(|client| client.wait_reaches(vip))?;
        self.members.iter().try_for_each(|member| self.vip.wait_reaches(member.address()))
    }
}
