//! A program that rewrites and decides nothing: the topology's limit.

use std::net::IpAddr;

use aya::EbpfLoader;
use aya::programs::tc::TcAttachOptions;
use aya::programs::{SchedClassifier, TcAttachType};

use super::error::Error;
use super::field::Field;
use super::peer::{Found, Peer, programs};
use crate::Qlb;

/// Where the object is; `cargo xtask bench` says so.
const OBJECT: &str = "QLB_HAIRPIN";
const PROGRAM: &str = "hairpin";

fn word(address: IpAddr) -> Option<u32> {
    match address {
        IpAddr::V4(v4) => Some(u32::from_ne_bytes(v4.octets())),
        IpAddr::V6(_) => None,
    }
}

const fn mac([a, b, c, d, e, f]: [u8; 6]) -> u64 {
    u64::from_ne_bytes([a, b, c, d, e, f, 0, 0])
}

pub(super) fn start(field: &Field, _: &Qlb, number: u8) -> Result<Found, Error> {
    const NAME: &str = "hairpin";
    let Some(object) = std::env::var_os(OBJECT) else {
        return Ok(Found::Missing(NAME, format!("{OBJECT} names no object")));
    };
    let vip = field.vip(number, NAME)?;
    let hosts = field.hosts();
    let [client, even, odd] = hosts.map(|(address, _)| word(address).unwrap_or_default());
    let macs = hosts.map(|(_, of)| mac(of));
    let (own, bulk) = (word(vip.host.address()).unwrap_or_default(), u32::from(vip.bulk.port()));
    let before = programs();
    let mut loader = EbpfLoader::new();
    for (name, value) in
        [("VIP", &own), ("CLIENT", &client), ("EVEN", &even), ("ODD", &odd), ("BULK", &bulk)]
    {
        loader.override_global(name, value, true);
    }
    for (name, value) in ["CLIENT_MAC", "EVEN_MAC", "ODD_MAC"].into_iter().zip(&macs) {
        loader.override_global(name, value, true);
    }
    let mut ebpf = loader.load_file(object)?;
    let Some(program) = ebpf.program_mut(PROGRAM) else {
        return Ok(Found::Missing(NAME, "the object has no such program".into()));
    };
    let program: &mut SchedClassifier = program.try_into()?;
    program.load()?;
    let device = vip.host.plugged().device.clone();
    let attach = || {
        // As qlb's own: where this kernel has no tcx, by clsact.
        let _ = aya::programs::tc::qdisc_add_clsact(&device);
        program.attach_with_options(
            &device,
            TcAttachType::Ingress,
            TcAttachOptions::Netlink(aya::programs::tc::NlOptions::default()),
        )
    };
    vip.host.namespace.run(attach)??;
    let what = "a TC program without state that rewrites one client's connections".to_owned();
    let mut peer = Peer::at(NAME, what, vip);
    peer.programs = programs().difference(&before).copied().collect();
    peer._keep.push(Box::new(ebpf));
    Ok(Found::Ready(Box::new(peer)))
}
