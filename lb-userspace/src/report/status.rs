//! One screen that says what is going on.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

use super::member::{Member, members, table};
use super::{API_VERSION, Report, human};
use crate::config::model::{LbMethod, Protocol};
use crate::datapath::{Audit, DatapathError, Maps, audit, counters};
use crate::registry::{Registry, Served};

/// What `qlb status` prints.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    api_version: &'static str,
    pools: Vec<Pool>,
}

#[derive(Clone, Debug, Serialize)]
struct Pool {
    id: String,
    name: Option<String>,
    namespace: String,
    device: String,
    hook: Option<&'static str>,
    /// Whether an XDP program stands in front of that of the hook.
    xdp: bool,
    /// Whether the program is on the device; null where that cannot be seen from here.
    attached: Option<bool>,
    /// Process id of the controller; without one nothing expires.
    controller: Option<String>,
    protocol: Protocol,
    lb_method: LbMethod,
    admin_state_up: bool,
    vip: Option<Vip>,
    connections: Connections,
    /// How far the active counts are from a recount of conntrack, all together; more than 0 is a
    /// fault of qlb. Null if they never held still.
    drift: Option<u64>,
    bytes_in: u64,
    bytes_out: u64,
    conntrack: Conntrack,
    /// Members towards which NAT ports are nearly all taken, with how many.
    port_pressure: Vec<String>,
    members: Vec<Member>,
    counters: BTreeMap<&'static str, u64>,
}

#[derive(Clone, Debug, Serialize)]
struct Vip {
    id: String,
    address: IpAddr,
    port: u16,
}

#[derive(Clone, Debug, Serialize)]
struct Connections {
    active: u64,
    /// The VIP's connection_limit; null for none.
    limit: Option<u32>,
    total: u64,
}

#[derive(Clone, Debug, Serialize)]
struct Conntrack {
    entries: u64,
    capacity: u64,
}

/// The status of pools that are served, each with its maps and whether it is attached.
///
/// # Errors
/// When a map cannot be read.
pub fn status<'a>(
    registry: &Registry,
    served: impl IntoIterator<Item = (&'a Served, Maps, Option<bool>)>,
) -> Result<Status, DatapathError> {
    let pools = served.into_iter().map(|(served, maps, attached)| {
        pool(served, registry.controller(served.pool.id.as_str()), attached, &maps)
    });
    Ok(Status { api_version: API_VERSION, pools: pools.collect::<Result<_, _>>()? })
}

fn pool(
    served: &Served,
    controller: Option<String>,
    attached: Option<bool>,
    maps: &Maps,
) -> Result<Pool, DatapathError> {
    let Served { pool, record } = served;
    let members = members(pool, record, maps)?;
    let Audit { drift, entries } = audit(maps, record.members.iter().map(|member| member.index))?;
    let sum = |value: fn(&Member) -> u64| members.iter().map(value).sum();
    let counters: BTreeMap<&'static str, u64> = counters(maps)?.into_iter().collect();
    Ok(Pool {
        id: pool.id.to_string(),
        name: pool.name.clone(),
        namespace: record.namespace.clone(),
        device: record.device.clone(),
        hook: record.hook.map(|hook| hook.name()),
        xdp: record.xdp,
        attached,
        controller,
        protocol: pool.protocol,
        lb_method: pool.lb_method,
        admin_state_up: pool.admin_state_up,
        vip: pool.vip.as_ref().map(|vip| Vip {
            id: vip.id.to_string(),
            address: vip.address,
            port: vip.port.get(),
        }),
        connections: Connections {
            active: sum(|member| member.active_connections.into()),
            limit: pool.vip.as_ref().and_then(|vip| vip.connection_limit),
            total: counters.get("connection_opened").copied().unwrap_or(0),
        },
        drift,
        bytes_in: sum(|member| member.bytes_in),
        bytes_out: sum(|member| member.bytes_out),
        conntrack: Conntrack { entries, capacity: maps.flow_capacity().into() },
        port_pressure: super::ports::members(served, maps)?
            .iter()
            .filter_map(super::ports::Member::pressure)
            .collect(),
        members,
        counters,
    })
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
    writeln!(out, "pool {}  {protocol} {vip}  {method}{down}", pool.id)?;
    let hook = pool.hook.unwrap_or("not attached");
    let place = if pool.namespace.is_empty() { "(current)" } else { &pool.namespace };
    let xdp = if pool.xdp { "xdp+" } else { "" };
    writeln!(out, "  on {} ({xdp}{hook}) in {place}", pool.device)?;
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
