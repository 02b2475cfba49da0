use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use super::Family;
use super::pools::ROUTER;
use crate::{Bridge, Cidr, Error, Namespace, Plug, Port, sysctl, wait_for};

const MTU: u32 = 1500;

/// An answer takes microseconds; this covers asking for a neighbour again (1 s) and a busy machine.
const REACHABLE: Duration = Duration::from_secs(10);

/// A namespace with one device on a bridge, or more if it is a router.
#[derive(Debug)]
pub struct Host {
    /// The cables, in the order they were plugged.
    pub ports: Vec<Port>,
    /// Where its processes run.
    pub namespace: Namespace,
}

impl Host {
    /// Makes the namespace. One for IPv4 has no IPv6: neighbour discovery would litter captures and
    /// counters. One for IPv6 has addresses as soon as they are given and no others.
    pub(super) fn create(name: &str, family: Family) -> Result<Self, Error> {
        let namespace = Namespace::create(name)?;
        let settings: &[(&str, &str)] = match family {
            Family::V4 => &[("disable_ipv6", "1")],
            Family::V6 => &[("accept_dad", "0"), ("accept_ra", "0"), ("accept_redirects", "0")],
        };
        for scope in ["all", "default"] {
            for (setting, value) in settings {
                let key = format!("net.ipv6.conf.{scope}.{setting}");
                sysctl::set_if_present(&namespace, &key, value)?;
            }
        }
        Ok(Self { ports: Vec::new(), namespace })
    }

    /// A host with one device.
    pub(super) fn on(
        bridge: &Bridge,
        name: &str,
        device: &str,
        cidr: Cidr,
        gateway: Option<IpAddr>,
    ) -> Result<Self, Error> {
        let mut host = Self::create(name, Family::of(cidr.address))?;
        host.plug(bridge, device, mac_of(cidr.address), cidr, gateway)?;
        Ok(host)
    }

    pub(super) fn plug(
        &mut self,
        bridge: &Bridge,
        device: &str,
        mac: [u8; 6],
        cidr: Cidr,
        gateway: Option<IpAddr>,
    ) -> Result<(), Error> {
        let plug = Plug { device: device.to_owned(), mac, mtu: MTU, cidr, gateway };
        self.ports.push(bridge.plug(&self.namespace, plug)?);
        Ok(())
    }

    /// Gives the device that was plugged last a router's link-local address, with IPv6.
    pub(super) fn answer_link_local(&self, family: Family) -> Result<(), Error> {
        match (family, self.ports.last()) {
            (Family::V6, Some(port)) => port.configure(Cidr::new(ROUTER.into(), 64), None),
            _ => Ok(()),
        }
    }

    /// Its name below /run/netns.
    #[must_use]
    pub fn name(&self) -> &str {
        self.namespace.name()
    }

    /// The first device's configuration.
    #[must_use]
    pub fn plugged(&self) -> &Plug {
        &self.ports[0].plug
    }

    /// The first device's address.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.plugged().cidr.address
    }

    /// Waits until IP reaches `to` and back: TCP's discard port answers, if only to refuse.
    pub(super) fn wait_reaches(&self, to: IpAddr) -> Result<(), Error> {
        let address = SocketAddr::new(to, 9);
        let attempt = || match TcpStream::connect_timeout(&address, Duration::from_millis(500)) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
            Err(error) => Err(error),
        };
        let what = format!("{to} reachable from {}", self.name());
        self.namespace.run(|| wait_for(attempt, REACHABLE, &what))?
    }
}

/// In OpenStack's range, unique because addresses are.
fn mac_of(address: IpAddr) -> [u8; 6] {
    let [b, c, d] = match address {
        IpAddr::V4(v4) => {
            let [_, b, c, d] = v4.octets();
            [b, c, d]
        }
        IpAddr::V6(v6) => {
            let [_, _, _, _, b, c, .., d] = v6.octets();
            [b, c, d]
        }
    };
    [0xfa, 0x16, 0x3e, b, c, d]
}
