//! IPVS: NAT and masquerade, where the kernel has it.

use std::net::SocketAddr;
use std::path::Path;

use super::error::Error;
use super::field::Field;
use super::nft::forward;
use super::peer::{Found, Peer};
use crate::{Qlb, sysctl};

pub(super) fn start(field: &Field, _: &Qlb, number: u8) -> Result<Found, Error> {
    const NAME: &str = "ipvs";
    if !Path::new("/proc/net/ip_vs").exists() {
        let why = "this kernel has no IPVS: no /proc/net/ip_vs (module ip_vs)";
        return Ok(Found::Missing(NAME, why.to_owned()));
    }
    let vip = field.vip(number, NAME)?;
    forward(&vip)?;
    let namespace = &vip.host.namespace;
    sysctl::set(namespace, "net.ipv4.vs.conntrack", "1")?;
    let run = |program: &str, args: &[&str]| namespace.command(program).args(args).stdout();
    let serve = |at: SocketAddr, members: &[SocketAddr]| -> Result<(), Error> {
        let at = at.to_string();
        run("ipvsadm", &["-A", "-t", &at, "-s", "rr"])?;
        for member in members {
            run("ipvsadm", &["-a", "-t", &at, "-r", &member.to_string(), "-m"])?;
        }
        Ok(())
    };
    serve(vip.web, &field.web())?;
    serve(vip.bulk, &[field.bulk()])?;
    run("nft", &["add", "table", "ip", "bench"])?;
    let chain = "{ type nat hook postrouting priority 100; }";
    run("nft", &["add", "chain", "ip", "bench", "out", chain])?;
    run("nft", &["add", "rule", "ip", "bench", "out", "masquerade"])?;
    let what = "rr with masquerade (ipvsadm -m, nft masquerade)".to_owned();
    let mut peer = Peer::at(NAME, what, vip);
    peer.accounted = false;
    Ok(Found::Ready(Box::new(peer)))
}
