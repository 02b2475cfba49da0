//! Members and what they do.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use lb_common::state::DrainCause;
use nix::time::{ClockId, clock_gettime};
use serde::Serialize;

use super::{API_VERSION, Report, Table, human};
use crate::config::PoolSpec;
use crate::config::model::MemberSpec;
use crate::datapath::{DatapathError, Maps};
use crate::registry::{MemberRecord, Record};

/// A member of a pool that is served.
#[derive(Clone, Debug, Serialize)]
pub struct Member {
    /// Its id.
    pub id: String,
    /// Its address.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// Its weight.
    pub weight: u16,
    /// Its admin state.
    pub admin_state_up: bool,
    /// READY, EJECTED (for a while, after failing connections), STARTING (slow start), DRAINING (weight
    /// 0), DOWN (for its monitor), DISABLED (admin down) or REMOVED (only
    /// old connections).
    pub state: &'static str,
    /// How long the connections may go on that it has while it takes no new ones; null for as long
    /// as they like.
    pub drain_seconds: Option<f64>,
    /// Connections that are not closed.
    pub active_connections: u32,
    /// Connections it was given.
    pub total_connections: u64,
    /// Connections of those that it did not accept.
    pub failed_connections: u64,
    /// Packets sent to it.
    pub packets_in: u64,
    /// Packets it sent to clients.
    pub packets_out: u64,
    /// Payload bytes sent to it.
    pub bytes_in: u64,
    /// Payload bytes it sent to clients.
    pub bytes_out: u64,
}

/// The members of a pool: as declared, then those that were removed and still have connections.
///
/// # Errors
/// When a map cannot be read.
pub fn members(
    pool: &PoolSpec,
    record: &Record,
    maps: &Maps,
) -> Result<Vec<Member>, DatapathError> {
    let present = pool.members.iter().filter_map(|spec| {
        let same = |known: &&MemberRecord| !known.removed && known.id == spec.id.as_str();
        Some((record.members.iter().find(same)?, Some(spec)))
    });
    let removed = record.members.iter().filter(|known| known.removed).map(|known| (known, None));
    present.chain(removed).map(|(known, spec)| member(known, spec, maps)).collect()
}

fn member(
    known: &MemberRecord,
    spec: Option<&MemberSpec>,
    maps: &Maps,
) -> Result<Member, DatapathError> {
    let stats = maps.stats(known.index)?;
    let load = maps.load(known.index)?;
    let state = match spec {
        None => "REMOVED",
        Some(spec) if !spec.admin_state_up => "DISABLED",
        Some(_) if known.down => "DOWN",
        Some(spec) if spec.weight.get() == 0 => "DRAINING",
        Some(_) if known.up_since.is_some() => "STARTING",
        Some(_) if load.out_until.get() > now() => "EJECTED",
        Some(_) => "READY",
    };
    let drain_seconds = match maps.drain(known.index)? {
        Some((end, DrainCause::Timeout)) => {
            Some(Duration::from_nanos(end.saturating_sub(now())).as_secs_f64())
        }
        Some((_, DrainCause::MarkedDown)) | None => None,
    };
    Ok(Member {
        id: known.id.clone(),
        address: known.endpoint.ip(),
        port: known.endpoint.port(),
        weight: spec.map_or(0, |spec| spec.weight.get()),
        admin_state_up: spec.is_some_and(|spec| spec.admin_state_up),
        state,
        drain_seconds,
        active_connections: load.active.get(),
        total_connections: stats.connections,
        failed_connections: stats.failed,
        packets_in: stats.packets_in,
        packets_out: stats.packets_out,
        bytes_in: stats.bytes_in,
        bytes_out: stats.bytes_out,
    })
}

/// Nanoseconds of monotonic time, the datapath's; zero if there is no such clock.
fn now() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from);
    now.map_or(0, |now| now.as_nanos() as u64)
}

/// The state, and how long it is given if that is limited.
fn state(member: &Member) -> String {
    match member.drain_seconds {
        Some(left) => format!("{} {left:.0}s", member.state),
        None => member.state.to_owned(),
    }
}

/// Prints members as rows.
pub(super) fn table(members: &[Member]) -> Table {
    let mut table =
        Table::new(["MEMBER", "ADDRESS", "WEIGHT", "STATE", "ACTIVE", "TOTAL", "IN", "OUT"]);
    for member in members {
        table.row([
            member.id.clone(),
            SocketAddr::new(member.address, member.port).to_string(),
            member.weight.to_string(),
            state(member),
            member.active_connections.to_string(),
            member.total_connections.to_string(),
            human(member.bytes_in),
            human(member.bytes_out),
        ]);
    }
    table
}

/// What `qlb member list` prints.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberList {
    api_version: &'static str,
    members: Vec<Member>,
}

impl MemberList {
    /// The list of these members.
    pub const fn new(members: Vec<Member>) -> Self {
        Self { api_version: API_VERSION, members }
    }
}

impl Report for MemberList {
    fn table(&self, out: &mut dyn Write) -> io::Result<()> {
        table(&self.members).print("", out)
    }
}
