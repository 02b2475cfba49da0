//! One screen that says what is going on.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::lbaas::{Facts, Lbaas, MemberFacts, Seen, Statistics, lbaas};
use super::member::{Member, members, table};
use super::survey::{Survey, Surveys};
use super::{API_VERSION, Report, human};
use crate::config::model::{LbMethod, Mode, Protocol};
use crate::datapath::{Audit, DatapathError, Maps, Totals, counters};
use crate::monitor::PoolHealth;
use crate::registry::{Registry, Served};

/// What `qlb status` prints.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    api_version: &'static str,
    pools: Vec<Pool>,
}

/// A pool that is served.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = PoolStatus)]
pub(super) struct Pool {
    pub(super) id: String,
    pub(super) name: Option<String>,
    pub(super) namespace: String,
    pub(super) device: String,
    pub(super) hook: Option<&'static str>,
    /// Whether an XDP program stands in front of that of the hook.
    pub(super) xdp: bool,
    /// Whether packets are forwarded at the outer end of the device, without coming to it.
    pub(super) outer: bool,
    /// Both, as the table has it.
    #[serde(skip)]
    front: &'static str,
    /// Whether the program is on the device; null where that cannot be seen from here.
    pub(super) attached: Option<bool>,
    /// Process id of the controller; without one nothing expires.
    pub(super) controller: Option<String>,
    pub(super) protocol: Protocol,
    pub(super) lb_method: LbMethod,
    /// How packets get to members; with `dsr` nothing is known of what they send.
    pub(super) mode: Mode,
    pub(super) admin_state_up: bool,
    pub(super) vip: Option<Vip>,
    pub(super) connections: Connections,
    /// How far the active counts are from a recount of conntrack, all together; more than 0 is a
    /// fault of qlb. Null if they never held still.
    pub(super) drift: Option<u64>,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) conntrack: Conntrack,
    /// Members towards which NAT ports are nearly all taken, with how many.
    pub(super) port_pressure: Vec<String>,
    pub(super) members: Vec<Member>,
    #[schema(value_type = BTreeMap<String, u64>)]
    pub(super) counters: BTreeMap<&'static str, u64>,
    /// What the LBaaS APIs would say.
    pub(super) lbaas: Lbaas,
}

/// The address that clients connect to.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = VipStatus)]
pub(super) struct Vip {
    pub(super) id: String,
    #[schema(value_type = String)]
    pub(super) address: IpAddr,
    pub(super) port: u16,
}

/// How many connections there are and were.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Connections {
    pub(super) active: u64,
    /// The VIP's connection_limit; null for none.
    pub(super) limit: Option<u32>,
    pub(super) total: u64,
}

/// How full the connection table is.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Conntrack {
    pub(super) entries: u64,
    pub(super) capacity: u64,
}

/// The status of pools that are served, each with its maps, and whether they are attached.
///
/// # Errors
/// When a map cannot be read.
pub fn status(
    registry: &Registry,
    served: &[(Served, Arc<Maps>)],
    attached: Vec<Option<bool>>,
) -> Result<Status, DatapathError> {
    let surveys = Surveys::of(served)?;
    let pools = served.iter().zip(attached).map(|((served, maps), attached)| {
        let id = served.pool.id.as_str();
        // What cannot be read is as if nobody had probed.
        let health = registry.health(id).unwrap_or_default();
        let survey = surveys.get(served, maps);
        pool(served, registry.controller(id), attached, maps, survey, &health)
    });
    Ok(Status { api_version: API_VERSION, pools: pools.collect::<Result<_, _>>()? })
}

fn pool(
    served: &Served,
    controller: Option<String>,
    attached: Option<bool>,
    maps: &Maps,
    survey: &Survey,
    health: &PoolHealth,
) -> Result<Pool, DatapathError> {
    let Served { pool, record } = served;
    let members = members(pool, record, maps, health)?;
    let Audit { drift, entries } = survey.audit;
    let sum = |value: fn(&Member) -> u64| members.iter().map(value).sum();
    let counters: BTreeMap<&'static str, u64> = counters(maps, record.zone)?.into_iter().collect();
    let totals = maps.totals(record.index)?;
    let connections = Connections {
        active: sum(|member| member.active_connections.into()),
        limit: pool.vip.as_ref().and_then(|vip| vip.connection_limit),
        total: totals.opened,
    };
    let statistics = Statistics {
        bytes_in: record.past.bytes_in + sum(|member| member.bytes_in),
        bytes_out: record.past.bytes_out + sum(|member| member.bytes_out),
        active_connections: connections.active,
        total_connections: connections.total,
        request_errors: errors(totals, record.past.failed + sum(|it| it.failed_connections)),
    };
    Ok(Pool {
        id: pool.id.to_string(),
        name: pool.name.clone(),
        namespace: record.namespace.clone(),
        device: record.device.clone(),
        hook: record.hook.map(|hook| hook.name()),
        xdp: record.xdp,
        outer: record.outer.is_some(),
        front: record.front(),
        attached,
        controller,
        protocol: pool.protocol,
        lb_method: pool.lb_method,
        mode: pool.mode,
        admin_state_up: pool.admin_state_up,
        vip: pool.vip.as_ref().map(|vip| Vip {
            id: vip.id.to_string(),
            address: vip.address,
            port: vip.port.get(),
        }),
        lbaas: lbaas(&facts(served, &members, attached, &connections), statistics),
        connections,
        drift,
        bytes_in: statistics.bytes_in,
        bytes_out: statistics.bytes_out,
        conntrack: Conntrack { entries, capacity: maps.flow_capacity().into() },
        port_pressure: super::ports::members(served, maps, &survey.ports)?
            .iter()
            .filter_map(super::ports::Member::pressure)
            .collect(),
        members,
        counters,
    })
}

/// Connections that nobody served. Those that went to another member were served in the end; those above the
/// limit whose SYN was dropped still wait.
fn errors(totals: Totals, failed: u64) -> u64 {
    totals.refused + failed.saturating_sub(totals.redispatched)
}

/// What the statuses of LBaaS follow from.
fn facts(
    served: &Served,
    members: &[Member],
    attached: Option<bool>,
    connections: &Connections,
) -> Facts {
    let Served { pool, .. } = served;
    let member = |member: &Member| MemberFacts {
        id: member.id.clone(),
        admin_state_up: member.admin_state_up,
        weight: member.weight,
        seen: match (member.marked_down, pool.monitors.is_empty()) {
            (true, _) => Seen::Down,
            (false, false) => Seen::Up,
            (false, true) => Seen::Unmonitored,
        },
    };
    let present = members.iter().filter(|member| member.state != Member::REMOVED);
    Facts {
        attached: attached != Some(false),
        vip_up: pool.vip.as_ref().is_some_and(|vip| vip.admin_state_up),
        pool_up: pool.admin_state_up,
        full: connections.limit.is_some_and(|limit| connections.active >= u64::from(limit)),
        members: present.map(member).collect(),
    }
}

impl Status {
    /// The pools in it.
    pub(super) fn pools(&self) -> &[Pool] {
        &self.pools
    }
}

impl Report for Status {
    fn table(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.pools.is_empty() {
            return writeln!(
                out,
                "no pool is served on this node; start one with `qlb run -f FILE`"
            );
        }
        for (index, pool) in self.pools.iter().enumerate() {
            if index > 0 {
                writeln!(out)?;
            }
            print(pool, out)?;
        }
        Ok(())
    }
}

fn print(pool: &Pool, out: &mut dyn Write) -> io::Result<()> {
    let vip = pool
        .vip
        .as_ref()
        .map_or("none".to_owned(), |v| SocketAddr::new(v.address, v.port).to_string());
    let down = if pool.admin_state_up { "" } else { "  admin down" };
    let (protocol, method) = (pool.protocol, pool.lb_method);
    let mode = if pool.mode == Mode::Nat { String::new() } else { format!("  {}", pool.mode) };
    writeln!(out, "pool {}  {protocol} {vip}  {method}{mode}{down}", pool.id)?;
    let hook = pool.hook.unwrap_or("not attached");
    let place = if pool.namespace.is_empty() { "(current)" } else { &pool.namespace };
    writeln!(out, "  on {} ({}{hook}) in {place}", pool.device, pool.front)?;
    if pool.attached == Some(false) {
        writeln!(
            out,
            "  NOT SERVED: the namespace or the device is gone; `qlb run` it anew or `qlb stop` it"
        )?;
    } else if pool.controller.is_none() {
        writeln!(out, "  no controller: connections go on, but nothing expires; start `qlb run`")?;
    }
    writeln!(
        out,
        "  connections {} active{}, {} total; {} in, {} out; conntrack {} of {} entries",
        pool.connections.active,
        pool.connections.limit.map(|limit| format!(" of {limit}")).unwrap_or_default(),
        pool.connections.total,
        human(pool.bytes_in),
        human(pool.bytes_out),
        pool.conntrack.entries,
        pool.conntrack.capacity,
    )?;
    if let Some(drift @ 1..) = pool.drift {
        writeln!(
            out,
            "  DRIFT {drift}: active connections are not what conntrack holds; please report it"
        )?;
    }
    for member in &pool.port_pressure {
        writeln!(
            out,
            "  NAT PORTS NEARLY ALL TAKEN towards {member}; add snat_addresses or members"
        )?;
    }
    table(&pool.members).print("  ", out)?;
    let trouble: Vec<String> = pool
        .counters
        .iter()
        .filter(|(name, value)| {
            **value > 0 && (name.starts_with("refuse_") || name.starts_with("drop_"))
        })
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    if !trouble.is_empty() {
        writeln!(out, "  refused or dropped: {}", trouble.join(", "))?;
    }
    Ok(())
}
