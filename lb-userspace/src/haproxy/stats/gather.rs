//! From a pool's record and maps to a snapshot.

use std::collections::HashMap;

use super::snapshot::{Load, Member, Payload, Snapshot, Tally};
use crate::config::model::{MemberSpec, Protocol};
use crate::datapath::{DatapathError, Maps, Totals};
use crate::haproxy::health::Health;
use crate::monitor::PoolHealth;
use crate::registry::Served;
use crate::report::{self, members};

/// What is known of a pool beside its record and maps.
#[derive(Debug, Default)]
pub struct Watch<'a> {
    /// How connections ended, by member; none if nobody counts that.
    pub tallies: Option<&'a HashMap<String, Tally>>,
    /// What the monitors of its members find; none if nobody looked.
    pub health: Option<&'a PoolHealth>,
}

/// A pool that is served, at this moment. Peaks and rates are for [`super::Peaks`] to fill in.
///
/// # Errors
/// When a map cannot be read.
pub fn gather(served: &Served, maps: &Maps, watch: &Watch<'_>) -> Result<Snapshot, DatapathError> {
    let Served { pool, record } = served;
    let unknown = PoolHealth::default();
    let members = members(pool, record, maps, watch.health.unwrap_or(&unknown))?;
    let Totals { opened, refused, denied, redispatched } = maps.totals(record.index)?;
    let failures = members.iter().map(|member| member.failed_connections).sum::<u64>();
    let failures = failures + record.past.failed;
    let vip = pool.vip.as_ref();
    let capacity = u64::from(maps.flow_capacity() / 2);
    let member = |known: report::Member| {
        let spec = pool.members.iter().find(|spec| spec.id.as_str() == known.id);
        member(known, spec, watch)
    };
    Ok(Snapshot {
        frontend: vip.map(|vip| vip.id.to_string()).unwrap_or_default(),
        backend: pool.id.to_string(),
        mode: match pool.protocol {
            Protocol::Http => "http",
            Protocol::Tcp | Protocol::Https | Protocol::Udp => "tcp",
        },
        vip_enabled: vip.is_some_and(|vip| vip.admin_state_up),
        pool_enabled: pool.admin_state_up,
        limit: vip.and_then(|vip| vip.connection_limit).map_or(capacity, u64::from),
        load: Load {
            active: members.iter().map(|member| u64::from(member.active_connections)).sum(),
            total: opened,
            ..Load::default()
        },
        past: Payload { bytes_in: record.past.bytes_in, bytes_out: record.past.bytes_out },
        refused,
        failed: failures.saturating_sub(redispatched),
        redispatched,
        denied,
        tallied: watch.tallies.is_some(),
        members: members.into_iter().map(member).collect(),
    })
}

fn member(known: report::Member, spec: Option<&MemberSpec>, watch: &Watch<'_>) -> Member {
    let removed = known.state == report::Member::REMOVED;
    Member {
        weight: known.weight,
        backup: spec.is_some_and(|spec| spec.backup),
        admin_state_up: known.admin_state_up,
        down: known.marked_down,
        removed,
        limit: spec.and_then(|spec| spec.max_connections).map(Into::into),
        health: watch.health.and_then(|all| all.members.get(&known.id)).map(Health::of),
        load: Load {
            active: known.active_connections.into(),
            total: known.total_connections,
            ..Load::default()
        },
        payload: Payload { bytes_in: known.bytes_in, bytes_out: known.bytes_out },
        failed: known.failed_connections,
        tally: watch.tallies.and_then(|all| all.get(&known.id)).copied().unwrap_or_default(),
        id: known.id,
    }
}
