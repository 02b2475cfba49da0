//! How many NAT ports are left towards each member.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use lb_common::addr::Addr;
use serde::Serialize;

use super::survey::Walks;
use super::{API_VERSION, Report, Table};
use crate::config::model::Mode;
use crate::datapath::{DatapathError, Maps, PortUse, PortUses};
use crate::registry::Served;

/// What `qlb ports` prints.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PortList {
    api_version: &'static str,
    pools: Vec<Pool>,
}

#[derive(Clone, Debug, Serialize)]
struct Pool {
    id: String,
    /// Lowest and highest NAT port.
    range: (u16, u16),
    /// The pool's mode; only with `nat` new connections take ports.
    mode: Mode,
    members: Vec<Member>,
}

/// The NAT ports towards one member.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Member {
    id: String,
    address: SocketAddr,
    #[serde(flatten)]
    sum: Use,
    #[serde(skip)]
    is_pressed: bool,
    sources: Vec<Source>,
}

#[derive(Clone, Debug, Serialize)]
struct Source {
    address: IpAddr,
    #[serde(flatten)]
    ports: Use,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Use {
    available: u32,
    in_use: u32,
    /// At rest; the member may be in TIME_WAIT.
    waiting: u32,
    /// At rest; any new connection can have them.
    quiet: u32,
    free: u32,
}

impl From<PortUse> for Use {
    fn from(ports: PortUse) -> Self {
        let PortUse { available, in_use, waiting, quiet } = ports;
        let free = available.saturating_sub(in_use + waiting + quiet);
        Self { available, in_use, waiting, quiet, free }
    }
}

impl Member {
    /// Says so if four fifths are in use, or at rest where not every new connection can have them.
    pub(super) fn pressure(&self) -> Option<String> {
        let Use { available, in_use, waiting, .. } = self.sum;
        self.is_pressed.then(|| {
            format!("{} ({in_use} in use, {waiting} waiting, of {available})", self.address)
        })
    }
}

/// The NAT ports of pools that are served, towards each of their members.
///
/// # Errors
/// When a map cannot be read.
pub fn ports(served: &[(Served, Arc<Maps>)]) -> Result<PortList, DatapathError> {
    let mut walks = Walks::new();
    let pool = |(served, maps): &(Served, Arc<Maps>)| {
        let (id, range) = (served.pool.id.to_string(), served.record.ports);
        let mode = served.pool.mode;
        Ok::<_, DatapathError>(Pool {
            id,
            range,
            mode,
            members: members(served, maps, walks.of(maps, Maps::port_uses)?)?,
        })
    };
    let pools = served.iter().map(pool).collect::<Result<_, _>>()?;
    Ok(PortList { api_version: API_VERSION, pools })
}

pub(super) fn members(
    served: &Served,
    maps: &Maps,
    uses: &PortUses,
) -> Result<Vec<Member>, DatapathError> {
    let Some(vip) = &served.pool.vip else { return Ok(Vec::new()) };
    let (record, listener) = (&served.record, (Addr::from(vip.address), vip.port.get()));
    let ports = uses.of_pool(record.zone, maps.sources(record.index, listener)?);
    let member = |spec: &crate::config::model::MemberSpec| {
        let address = SocketAddr::new(spec.address, spec.port.get());
        let total = ports.total(Addr::from(spec.address), address.port());
        let source = |(source, ports): (Addr, PortUse)| Source {
            address: source.into(),
            ports: ports.into(),
        };
        let each = ports.of(Addr::from(spec.address), address.port());
        Member {
            id: spec.id.to_string(),
            address,
            sum: total.into(),
            is_pressed: total.is_pressed(),
            sources: each.map(source).collect(),
        }
    };
    Ok(served.pool.members.iter().map(member).collect())
}

impl Report for PortList {
    fn table(&self, out: &mut dyn Write) -> io::Result<()> {
        for (index, Pool { id, range, mode, members }) in self.pools.iter().enumerate() {
            if index > 0 {
                writeln!(out)?;
            }
            let unused = match mode {
                Mode::Nat => String::new(),
                Mode::Dnat | Mode::Dsr => format!("  (mode {mode}: new connections take none)"),
            };
            writeln!(out, "pool {id}  NAT ports {} to {}{unused}", range.0, range.1)?;
            let header =
                ["MEMBER", "ADDRESS", "SOURCE", "AVAILABLE", "IN USE", "WAITING", "QUIET", "FREE"];
            let mut table = Table::new(header);
            for Member { id, address, sources, .. } in members {
                for Source { address: source, ports } in sources {
                    let [available, in_use, waiting, quiet, free] =
                        [ports.available, ports.in_use, ports.waiting, ports.quiet, ports.free]
                            .map(|count| count.to_string());
                    let (id, address, source) =
                        (id.clone(), address.to_string(), source.to_string());
                    table.row([id, address, source, available, in_use, waiting, quiet, free]);
                }
            }
            table.print("  ", out)?;
        }
        Ok(())
    }
}
