use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::time::Duration;

use crate::{Bridge, Cidr, Error, Namespace, Plug, Port, sysctl, wait_for};

const MTU: u32 = 1500;

/// An answer takes microseconds; this covers an ARP retry (1 s) and a busy machine.
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
    /// Makes the namespace, IPv4 only: neighbour discovery would litter captures and counters.
    pub(super) fn create(name: &str) -> Result<Self, Error> {
        let namespace = Namespace::create(name)?;
        for scope in ["all", "default"] {
            let key = format!("net.ipv6.conf.{scope}.disable_ipv6");
            sysctl::set_if_present(&namespace, &key, "1")?;
        }
        Ok(Self { ports: Vec::new(), namespace })
    }

    /// A host with one device.
    pub(super) fn on(
        bridge: &Bridge,
        name: &str,
        device: &str,
        cidr: Cidr,
        gateway: Option<Ipv4Addr>,
    ) -> Result<Self, Error> {
        let mut host = Self::create(name)?;
        host.plug(bridge, device, mac_of(cidr.address), cidr, gateway)?;
        Ok(host)
    }

    pub(super) fn plug(
        &mut self,
        bridge: &Bridge,
        device: &str,
        mac: [u8; 6],
        cidr: Cidr,
        gateway: Option<Ipv4Addr>,
    ) -> Result<(), Error> {
        let plug = Plug { device: device.to_owned(), mac, mtu: MTU, cidr, gateway };
        self.ports.push(bridge.plug(&self.namespace, plug)?);
        Ok(())
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
    pub fn address(&self) -> Ipv4Addr {
        self.plugged().cidr.address
    }

    /// Waits until IPv4 reaches `to` and back: TCP's discard port answers, if only to refuse.
    pub(super) fn wait_reaches(&self, to: Ipv4Addr) -> Result<(), Error> {
        let address = SocketAddrV4::new(to, 9).into();
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
fn mac_of(address: Ipv4Addr) -> [u8; 6] {
    let [_, b, c, d] = address.octets();
    [0xfa, 0x16, 0x3e, b, c, d]
}
