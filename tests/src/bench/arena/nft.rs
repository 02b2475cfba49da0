//! nftables: DNAT to a member in turn, and masquerade.

use std::fs;

use super::error::Error;
use super::field::{Field, Vip};
use super::peer::{Found, Peer};
use crate::{Qlb, sysctl};

pub(super) fn start(field: &Field, _: &Qlb, number: u8) -> Result<Found, Error> {
    const NAME: &str = "nftables";
    let vip = field.vip(number, NAME)?;
    forward(&vip)?;
    let dir = tempfile::tempdir().map_err(Error::Files)?;
    let rules = dir.path().join("rules");
    let [first, second] = field.web();
    let (device, address) = (&vip.host.plugged().device, vip.host.address());
    let text = format!(
        "table ip bench {{\n chain prerouting {{\n  type nat hook prerouting priority -100;\n  \
         ip daddr {address} tcp dport {} dnat to numgen inc mod 2 map {{ 0 : {}, 1 : {} }}\n  \
         ip daddr {address} tcp dport {} dnat to {}\n }}\n chain postrouting {{\n  \
         type nat hook postrouting priority 100;\n  oifname {device} masquerade\n }}\n}}\n",
        vip.web.port(),
        first.ip(),
        second.ip(),
        vip.bulk.port(),
        field.bulk().ip(),
    );
    fs::write(&rules, text).map_err(Error::Files)?;
    let load = vip.host.namespace.command("nft").arg("-f").arg(&rules).output()?;
    if !load.status.success() {
        return Ok(Found::Missing(NAME, String::from_utf8_lossy(&load.stderr).trim().to_owned()));
    }
    // It begins with the first rule that needs it.
    let key = "net.netfilter.nf_conntrack_tcp_timeout_time_wait";
    sysctl::set(&vip.host.namespace, key, "1")?;
    let version = vip.host.namespace.command("nft").arg("--version").stdout()?;
    let what = format!("DNAT to a member in turn and masquerade, {}", version.trim());
    let mut peer = Peer::at(NAME, what, vip);
    peer.accounted = false;
    Ok(Found::Ready(Box::new(peer)))
}

/// Lets a namespace route.
pub(super) fn forward(vip: &Vip) -> Result<(), Error> {
    Ok(sysctl::set(&vip.host.namespace, "net.ipv4.ip_forward", "1")?)
}
