use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::{Error, Namespace, net};

/// An address of either family with the prefix length of its subnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    /// The address.
    pub address: IpAddr,
    /// Prefix length, 0 to 32 or 128.
    pub prefix: u8,
}

impl Cidr {
    /// `address/prefix`.
    #[must_use]
    pub const fn new(address: IpAddr, prefix: u8) -> Self {
        Self { address, prefix }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// Host ends of veth pairs share one namespace, so their names come from one counter.
static NEXT_HOST_END: AtomicU32 = AtomicU32::new(0);

/// A veth pair between two namespaces, both ends up. Dropping it removes both.
#[derive(Debug)]
pub struct Veth {
    near: Namespace,
    name: String,
    host_name: String,
}

impl Veth {
    /// Makes `name` in `near` with the given MAC address and MTU; its peer, named
    /// [`Veth::host_name`], goes to `host` with the same MTU.
    ///
    /// # Errors
    /// [`Error::Netlink`] when the kernel refuses, for example because the name is taken.
    pub fn create(
        near: &Namespace,
        name: &str,
        mac: [u8; 6],
        mtu: u32,
        host: &Namespace,
    ) -> Result<Self, Error> {
        let host_name = format!("port{}", NEXT_HOST_END.fetch_add(1, Ordering::Relaxed));
        near.run(|| {
            net::add_veth(name, &host_name)?;
            net::configure(name, mac, mtu)?;
            net::move_to(&host_name, host.fd())
        })??;
        let veth = Self { near: near.handle_only(), name: name.to_owned(), host_name };
        host.run(|| {
            net::set_mtu(&veth.host_name, mtu)?;
            net::set_up(&veth.host_name)
        })??;
        near.run(|| net::set_up(name))??;
        Ok(veth)
    }

    /// Name of the end in the host's namespace.
    #[must_use]
    pub fn host_name(&self) -> &str {
        &self.host_name
    }

    /// Name of the near end.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Veth {
    fn drop(&mut self) {
        // The near end is gone already if its namespace was: then there is nothing left to remove.
        let _ = self.near.run(|| net::remove(&self.name));
    }
}

/// What to plug into a namespace: a device and its IP configuration.
#[derive(Clone, Debug)]
pub struct Plug {
    /// Device name inside the namespace, 15 characters at most.
    pub device: String,
    /// MAC address.
    pub mac: [u8; 6],
    /// Largest IP packet in bytes.
    pub mtu: u32,
    /// Address and prefix length.
    pub cidr: Cidr,
    /// Next hop of the default route; of IPv6 it may be link-local.
    pub gateway: Option<IpAddr>,
}

/// A Linux bridge. Dropping it removes it.
#[derive(Debug)]
pub struct Bridge {
    namespace: Namespace,
    name: String,
}

/// A namespace's port on a bridge. Dropping it unplugs and removes the device.
#[derive(Debug)]
pub struct Port {
    veth: Veth,
    /// What is plugged.
    pub plug: Plug,
}

impl Bridge {
    /// Makes a bridge without spanning tree, forward delay, multicast snooping or iptables calls.
    ///
    /// # Errors
    /// [`Error::Netlink`] when the kernel refuses, for example because the name is taken.
    pub fn create(namespace: &Namespace, name: &str) -> Result<Self, Error> {
        namespace.run(|| net::add_bridge(name))??;
        Ok(Self { namespace: namespace.handle_only(), name: name.to_owned() })
    }

    /// Connects `namespace` to the bridge with a new device.
    ///
    /// # Errors
    /// [`Error::Netlink`] naming the step the kernel refused.
    pub fn plug(&self, namespace: &Namespace, plug: Plug) -> Result<Port, Error> {
        let veth = Veth::create(namespace, &plug.device, plug.mac, plug.mtu, &self.namespace)?;
        self.namespace.run(|| net::set_controller(veth.host_name(), &self.name))??;
        let port = Port { veth, plug };
        port.configure(port.plug.cidr, port.plug.gateway)?;
        Ok(port)
    }

    /// Name of the bridge device.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the bridge and the host ends of its ports live.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        if let Err(error) = self.namespace.run(|| net::remove(&self.name)).flatten() {
            eprintln!("{error}");
        }
    }
}

impl Port {
    /// Name of the bridge's side of the cable.
    #[must_use]
    pub fn host_name(&self) -> &str {
        self.veth.host_name()
    }

    /// Gives the device an address, which is usable on return, and the namespace a default route by it.
    ///
    /// # Errors
    /// [`Error::Netlink`] when the kernel refuses, [`Error::NeverTrue`] when an address of IPv6 never
    /// becomes usable.
    pub fn configure(&self, cidr: Cidr, gateway: Option<IpAddr>) -> Result<(), Error> {
        let device = &self.plug.device;
        self.veth.near.run(|| {
            net::add_address(device, cidr)?;
            net::wait_usable(cidr.address)?;
            gateway.map_or(Ok(()), |gateway| net::add_default_route(device, gateway))
        })?
    }

    /// Gives the device another MAC address, as a VM that comes up elsewhere may have.
    ///
    /// # Errors
    /// [`Error::Netlink`] when the kernel refuses.
    pub fn set_mac(&self, mac: [u8; 6]) -> Result<(), Error> {
        self.veth.near.run(|| net::set_mac(&self.plug.device, mac))?
    }

    /// Pulls the cable (`false`) or plugs it in again.
    ///
    /// # Errors
    /// [`Error::Netlink`] when the kernel refuses.
    pub fn set_link(&self, bridge: &Bridge, up: bool) -> Result<(), Error> {
        let name = self.host_name();
        bridge.namespace().run(|| if up { net::set_up(name) } else { net::set_down(name) })?
    }
}
