//! Who is measured.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use aya::programs::loaded_programs;

use super::error::Error;
use super::field::{Field, Vip};
use super::{direct, hairpin, haproxy, ipvs, nft, nginx, qlb};
use crate::{Process, Qlb};

/// A way from the client to the members, ready to be used.
pub(super) struct Peer {
    /// How the tables name it.
    pub(super) name: &'static str,
    /// What it is, with versions and modes, for the reader.
    pub(super) what: String,
    /// Two addresses of the web pool, each for one half of the clients.
    pub(super) web: [SocketAddr; 2],
    /// Address of the bulk pool.
    pub(super) bulk: SocketAddr,
    /// Its processes, whose time is the balancer's.
    pub(super) processes: Vec<Process>,
    /// Ids of its BPF programs, whose time is the balancer's.
    pub(super) programs: BTreeSet<u32>,
    /// Whether processes and programs are all that works for it; the kernel's own work has no account.
    pub(super) accounted: bool,
    /// What has to live as long.
    pub(super) _keep: Vec<Box<dyn std::any::Any>>,
}

impl Peer {
    /// One in a VIP's namespace.
    pub(super) fn at(name: &'static str, what: String, vip: Vip) -> Self {
        Self {
            name,
            what,
            web: [vip.web; 2],
            bulk: vip.bulk,
            processes: Vec::new(),
            programs: BTreeSet::new(),
            accounted: true,
            _keep: vec![Box::new(vip)],
        }
    }
}

/// A peer, or why it cannot be had on this machine.
pub(super) enum Found {
    Ready(Box<Peer>),
    Missing(&'static str, String),
}

type Start = fn(&Field, &Qlb, u8) -> Result<Found, Error>;

/// In the order of the tables.
const ALL: [Start; 9] = [
    direct::start,
    hairpin::start,
    |field, program, number| qlb::start(field, program, number, qlb::Hook::Tc),
    |field, program, number| qlb::start(field, program, number, qlb::Hook::Host),
    |field, program, number| qlb::start(field, program, number, qlb::Hook::Xdp),
    nft::start,
    ipvs::start,
    nginx::start,
    haproxy::start,
];

/// Starts all of them.
///
/// # Errors
/// When one does not start that could.
pub(super) fn all(field: &Field, program: &Qlb) -> Result<Vec<Found>, Error> {
    (0..).zip(ALL).map(|(number, start)| start(field, program, number)).collect()
}

/// Programs in the kernel now, but for sweeps: processes run those themselves, so they are in the time of these.
pub(super) fn programs() -> BTreeSet<u32> {
    let all = loaded_programs().filter_map(Result::ok);
    all.filter(|program| program.name() != b"qlb_reap").map(|program| program.id()).collect()
}
