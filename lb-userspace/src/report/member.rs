//! Members and what they do.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use lb_common::state::DrainCause;
use nix::time::ClockId;
use serde::Serialize;
use utoipa::ToSchema;

use super::time::rfc3339;
use super::{API_VERSION, Report, Table, human};
use crate::config::PoolSpec;
use crate::config::model::MemberSpec;
use crate::datapath::{DatapathError, Maps};
use crate::monitor::{MemberHealth, PoolHealth};
use crate::node::clock;
use crate::registry::{MemberRecord, Record};

/// A member of a pool that is served.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = MemberStatus)]
pub struct Member {
    /// Its id.
    pub id: String,
    /// Its address.
    #[schema(value_type = String)]
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
    /// Whether its monitor, or an operator in its place, found it down.
    pub marked_down: bool,
    /// How long the connections may go on that it has while it takes no new ones; null for as long
    /// as they like.
    pub drain_seconds: Option<f64>,
    /// Whether an operator has said how it is (`qlb member set --health`), and monitors have no say.
    pub health_forced: bool,
    /// What its monitors have found; null if there are none, or it is not probed.
    pub check: Option<Check>,
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

impl Member {
    /// State of a member that is no more of the pool.
    pub const REMOVED: &str = "REMOVED";
}

/// What monitors have found, in HAProxy's words.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Check {
    /// `UP`, `UP 2/3` (one more failure and it is 1/3), `DOWN`, or `DOWN 1/2`.
    pub state: String,
    /// Type of the monitor; of several the one for which the member is least well.
    pub monitor: String,
    /// End of the last probe, such as L4OK or L7STS; null before the first.
    pub status: Option<&'static str>,
    /// HTTP status that came; null for none.
    pub code: Option<u16>,
    /// What else was found, such as "Connection refused"; null for nothing.
    pub info: Option<String>,
    /// How long the probe took.
    pub duration_ms: Option<u64>,
    /// Failed probes while it was not down.
    pub failed: u64,
    /// How often it went down.
    pub downs: u64,
    /// When it last went up or down, or was first probed (RFC 3339).
    pub last_change: String,
}

impl Check {
    fn of(known: &MemberHealth) -> Self {
        let last = known.last.as_ref();
        Self {
            state: known.state.clone(),
            monitor: known.monitor.clone(),
            status: last.map(|last| last.status.code()),
            code: last.and_then(|last| last.code),
            info: last.filter(|last| !last.info.is_empty()).map(|last| last.info.clone()),
            duration_ms: last.map(|last| last.duration_ms),
            failed: known.checks_failed,
            downs: known.down_transitions,
            last_change: rfc3339(Duration::from_millis(known.last_change)),
        }
    }

    /// The last probe in a cell: `L7STS/503 in 2ms (Service Unavailable)`.
    fn probe(&self) -> String {
        let (Some(status), Some(duration)) = (self.status, self.duration_ms) else {
            return "INI".to_owned();
        };
        let code = self.code.map(|code| format!("/{code}")).unwrap_or_default();
        let info = self.info.as_ref().map(|info| format!(" ({info})")).unwrap_or_default();
        format!("{} {status}{code} in {duration}ms{info}", self.monitor)
    }
}

/// The members of a pool: as declared, then those that were removed and still have connections.
///
/// # Errors
/// When a map cannot be read.
pub fn members(
    pool: &PoolSpec,
    record: &Record,
    maps: &Maps,
    health: &PoolHealth,
) -> Result<Vec<Member>, DatapathError> {
    let present = pool.members.iter().filter_map(|spec| {
        let same = |known: &&MemberRecord| !known.removed && known.id == spec.id.as_str();
        Some((record.members.iter().find(same)?, Some(spec)))
    });
    let removed = record.members.iter().filter(|known| known.removed).map(|known| (known, None));
    present.chain(removed).map(|(known, spec)| member(known, spec, maps, health)).collect()
}

fn member(
    known: &MemberRecord,
    spec: Option<&MemberSpec>,
    maps: &Maps,
    health: &PoolHealth,
) -> Result<Member, DatapathError> {
    let stats = maps.stats(known.index)?;
    let load = maps.load(known.index)?;
    let state = match spec {
        None => Member::REMOVED,
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
        marked_down: known.down,
        drain_seconds,
        health_forced: known.forced,
        check: spec.and_then(|_| health.members.get(&known.id)).map(Check::of),
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
    clock(ClockId::CLOCK_MONOTONIC).map_or(0, |now| now.as_nanos() as u64)
}

/// The state, and how long it is given if that is limited.
fn state(member: &Member) -> String {
    match member.drain_seconds {
        Some(left) => format!("{} {left:.0}s", member.state),
        None => member.state.to_owned(),
    }
}

/// The cells about health. An operator's word is marked.
fn health(member: &Member) -> [String; 5] {
    let mark = if member.health_forced { " (set)" } else { "" };
    match &member.check {
        Some(check) => [
            format!("{}{mark}", check.state),
            check.failed.to_string(),
            check.downs.to_string(),
            check.last_change.clone(),
            check.probe(),
        ],
        None => [format!("no check{mark}"), "-".into(), "-".into(), "-".into(), "-".into()],
    }
}

/// Prints members as rows.
pub(super) fn table(members: &[Member]) -> Table {
    let plain = ["MEMBER", "ADDRESS", "WEIGHT", "STATE", "ACTIVE", "TOTAL", "IN", "OUT"];
    let mut table = Table::new(plain);
    let is_checked = members.iter().any(|member| member.check.is_some());
    if is_checked {
        table.extend_header(["HEALTH", "FAILED", "DOWNS", "CHANGED", "LAST PROBE"]);
    }
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
        if is_checked {
            table.extend_row(health(member));
        }
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
