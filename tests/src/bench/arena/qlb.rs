//! qlb.

use std::fs;

use super::error::Error;
use super::field::Field;
use super::peer::{Found, Peer, programs};
use crate::Qlb;

/// By which hook the VIP's device is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hook {
    Tc,
    Host,
    Xdp,
}

impl Hook {
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Tc => ("qlb tc", "tc"),
            Self::Host => ("qlb host", "host"),
            Self::Xdp => ("qlb xdp", "xdp"),
        }
    }
}

pub(super) fn start(field: &Field, qlb: &Qlb, number: u8, hook: Hook) -> Result<Found, Error> {
    let (name, attach) = hook.names();
    let vip = field.vip(number, attach)?;
    // qlb's connections have the ports that are not the namespace's own.
    let key = "net.ipv4.ip_local_port_range";
    crate::sysctl::set(&vip.host.namespace, key, "64512 65535")?;
    if hook == Hook::Xdp {
        // What native XDP wants of a veth; docs/xdp.md says why.
        let device = &vip.host.plugged().device;
        let key = format!("net.ipv4.conf.{device}.forwarding");
        crate::sysctl::set(&vip.host.namespace, &key, "1")?;
        let peer = vip.host.ports[0].host_name();
        let features = [("gro", true), ("tx", false), ("txvlan", false)];
        crate::ethtool::set(field.net.node.bridge().namespace(), peer, &features)?;
    }
    let dir = tempfile::tempdir().map_err(Error::Files)?;
    let file = dir.path().join("pools.yaml");
    let pool = |what: &str, at: std::net::SocketAddr, members: &[std::net::SocketAddr]| {
        let member = |(index, at): (usize, &std::net::SocketAddr)| {
            format!("  - {{id: m{index}, address: {}, port: {}}}\n", at.ip(), at.port())
        };
        let members: String = members.iter().enumerate().map(member).collect();
        let (id, namespace) = (format!("{}-{what}", vip.id), vip.host.name());
        format!(
            "- id: {id}\n  namespace: {namespace}\n  protocol: TCP\n  lb_method: ROUND_ROBIN\n  \
             vip: {{id: {id}-vip, address: {}, port: {}}}\n  members:\n{members}",
            at.ip(),
            at.port()
        )
    };
    let (web, bulk) = (pool("web", vip.web, &field.web()), pool("bulk", vip.bulk, &[field.bulk()]));
    fs::write(&file, format!("pools:\n{web}{bulk}")).map_err(Error::Files)?;
    let before = programs();
    let process =
        qlb.run(["-f".as_ref(), file.as_os_str(), "--attach".as_ref(), attach.as_ref()])?;
    let mut peer = Peer::at(name, format!("qlb run --attach {attach}"), vip);
    peer.programs = programs().difference(&before).copied().collect();
    peer.processes.push(process);
    peer._keep.push(Box::new(dir));
    Ok(Found::Ready(Box::new(peer)))
}
