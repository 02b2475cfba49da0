//! The ground that all peers share: one client, two members with nginx and iperf3, and for each peer a VIP of its own on
//! the same bridge. So they take turns without a restart in between, and nobody's conntrack is in another's way.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::topology::{Host, Layout, LbaasNode, PoolNet, WEB_POOL};
use crate::{Error, Namespace, Nginx, Process, iperf3_server, sysctl};

/// Where iperf3 listens.
const BULK: u16 = 5201;
/// Last byte of the first VIP.
const FIRST: u8 = 200;
/// Bounds the start of a program.
pub(super) const SOON: Duration = Duration::from_secs(20);

/// Client and members.
pub(super) struct Field {
    pub(super) net: PoolNet,
    _nginx: Vec<Nginx>,
    _iperf: Process,
}

/// The VIP of one peer, in a namespace of its own.
pub(super) struct Vip {
    pub(super) host: Host,
    /// Where the pool of both members listens.
    pub(super) web: SocketAddr,
    /// Where the pool of the first member listens, which has iperf3.
    pub(super) bulk: SocketAddr,
    /// Distinguishes the peer's pools from those of others.
    pub(super) id: String,
}

impl Field {
    /// Builds everything but VIPs.
    ///
    /// # Errors
    /// When a namespace cannot be made or a program does not start.
    pub(super) fn build() -> Result<Self, Error> {
        let net = LbaasNode::new()?.deploy(&WEB_POOL, &Layout::ONE_ARM)?;
        tune(&net.client().namespace)?;
        net.members.iter().try_for_each(|member| tune(&member.namespace))?;
        let start = |index: usize| {
            let member = &net.members[index];
            Nginx::start(&member.namespace, member.name(), net.member_socket(index), 1)
        };
        let nginx = (0..net.members.len()).map(start).collect::<Result<_, _>>()?;
        let iperf = iperf3_server(&net.members[0].namespace, &[])?;
        Ok(Self { net, _nginx: nginx, _iperf: iperf })
    }

    /// The client's namespace.
    pub(super) fn client(&self) -> &Namespace {
        &self.net.client().namespace
    }

    /// Members of the web pool.
    pub(super) fn web(&self) -> [SocketAddr; 2] {
        [self.net.member_socket(0), self.net.member_socket(1)]
    }

    /// The member of the bulk pool.
    pub(super) fn bulk(&self) -> SocketAddr {
        SocketAddr::new(self.net.members[0].address(), BULK)
    }

    /// A VIP for the peer with this number and name.
    ///
    /// # Errors
    /// When the kernel refuses, or the client does not reach it.
    pub(super) fn vip(&self, number: u8, name: &str) -> Result<Vip, Error> {
        let id = format!("bench-{name}");
        let device = format!("tapbench{number}");
        let host = self.net.beside(&format!("qlbaas-{id}"), &device, FIRST + number)?;
        tune(&host.namespace)?;
        let at = |port| SocketAddr::new(host.address(), port);
        let (web, bulk) = (at(self.web()[0].port()), at(BULK));
        Ok(Vip { host, web, bulk, id })
    }

    /// Address and MAC address of the client and both members.
    pub(super) fn hosts(&self) -> [(IpAddr, [u8; 6]); 3] {
        let of = |host: &Host| (host.address(), host.plugged().mac);
        [of(self.net.client()), of(&self.net.members[0]), of(&self.net.members[1])]
    }
}

/// Room for as many connections as come, so that none waits for an old one's port.
fn tune(namespace: &Namespace) -> Result<(), Error> {
    sysctl::set(namespace, "net.ipv4.ip_local_port_range", "1024 65535")?;
    sysctl::set(namespace, "net.ipv4.tcp_tw_reuse", "1")?;
    for scope in ["all", "default"] {
        sysctl::set(namespace, &format!("net.ipv4.conf.{scope}.send_redirects"), "0")?;
    }
    Ok(())
}
