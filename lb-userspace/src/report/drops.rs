//! Why packets were not forwarded.

use std::io::{self, Write};
use std::sync::Arc;

use lb_common::counter::{Outer, Xdp};
use lb_common::verdict::{DropReason, PassReason, RefuseReason};
use serde::Serialize;
use utoipa::ToSchema;

use super::{API_VERSION, Report, Table};
use crate::datapath::{DatapathError, Maps};
use crate::registry::Served;

/// What `qlb drops` prints.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Drops {
    api_version: &'static str,
    pools: Vec<Pool>,
}

/// A pool and its reasons.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = PoolReasons)]
struct Pool {
    id: String,
    reasons: Vec<Reason>,
}

/// A reason and how often it applied.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Reason {
    number: u32,
    name: &'static str,
    count: u64,
    meaning: &'static str,
}

/// Every reason to pass, refuse or drop a packet, and of an XDP program to leave one to TC, with how often it
/// applied; those that never did only if `all`.
///
/// # Errors
/// When a map cannot be read.
pub fn drops(served: &[(Served, Arc<Maps>)], all: bool) -> Result<Drops, DatapathError> {
    let pool = |(served, maps): &(Served, Arc<Maps>)| {
        let mut reasons = Vec::new();
        for (number, name, meaning) in reasons_there_are() {
            let count = maps.counter(served.record.zone, number)?;
            if all || count > 0 {
                reasons.push(Reason { number, name, count, meaning });
            }
        }
        reasons.sort_by_key(|reason| reason.number);
        Ok::<_, DatapathError>(Pool { id: served.pool.id.to_string(), reasons })
    };
    let pools = served.iter().map(pool).collect::<Result<_, _>>()?;
    Ok(Drops { api_version: API_VERSION, pools })
}

fn reasons_there_are() -> impl Iterator<Item = (u32, &'static str, &'static str)> {
    let pass = PassReason::ALL.iter().map(|r| (r.number(), r.name(), r.help()));
    let refuse = RefuseReason::ALL.iter().map(|r| (r.number(), r.name(), r.help()));
    let drop = DropReason::ALL.iter().map(|r| (r.number(), r.name(), r.help()));
    let early = Xdp::ALL.iter().filter(|xdp| **xdp != Xdp::Forwarded);
    let early = early.map(|r| (r.number(), r.name(), r.help()));
    let outer = Outer::ALL.iter().filter(|outer| **outer != Outer::Forwarded);
    let outer = outer.map(|r| (r.number(), r.name(), r.help()));
    pass.chain(refuse)
        .chain(drop)
        .chain(early)
        .chain(outer)
        .map(|(number, name, help)| (number, name, help.trim()))
}

impl Report for Drops {
    fn table(&self, out: &mut dyn Write) -> io::Result<()> {
        for (index, Pool { id, reasons }) in self.pools.iter().enumerate() {
            if index > 0 {
                writeln!(out)?;
            }
            writeln!(out, "pool {id}")?;
            if reasons.is_empty() {
                writeln!(out, "  every packet was forwarded; --all lists the reasons there are")?;
                continue;
            }
            let mut table = Table::new(["NUMBER", "REASON", "COUNT", "MEANING"]);
            for Reason { number, name, count, meaning } in reasons {
                let (name, meaning) = ((*name).to_owned(), (*meaning).to_owned());
                table.row([number.to_string(), name, count.to_string(), meaning]);
            }
            table.print("  ", out)?;
        }
        Ok(())
    }
}
