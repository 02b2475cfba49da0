//! From a pool's declaration and record to what the datapath is to do.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::num::NonZeroU32;

use lb_common::addr::Addr;
use lb_common::be::Be16;
use lb_common::state::{MEMBER_INDEXES, Method, Slot, Timers};

use super::ramp::{self, WHOLE};
use super::{ControlError, clients};
use crate::config::PoolSpec;
use crate::config::model::{
    Failover as FailoverSpec, LbMethod, MemberSpec, OnMarkedDown, Timeouts, VipSpec,
};
use crate::datapath::{Ending, Failover, Maps, POOL, Target};
use crate::registry::{MemberRecord, Record};

/// Gives every member of `pool` an index and forgets removed ones that nothing refers to any
/// more; returns what the datapath is to do. `record` is brought up to date.
pub(super) fn plan(
    pool: &PoolSpec,
    vip: &VipSpec,
    record: &mut Record,
    maps: &Maps,
) -> Result<Target, ControlError> {
    // Who is there when a service begins is not held back.
    let is_start = record.members.is_empty();
    let now = ramp::now();
    forget_idle(record, maps)?;
    for member in &mut record.members {
        member.removed = !pool.members.iter().any(|spec| spec.id.as_str() == member.id);
    }
    // Unlike a count in the record, it grows even if the change is undone.
    let incarnation = maps.next_generation(POOL)?;
    let mut newcomers = Vec::new();
    for spec in &pool.members {
        match record.members.iter_mut().find(|member| member.id == spec.id.as_str()) {
            // The same id at another place is another member.
            Some(known) if known.endpoint == endpoint(spec) => {}
            known => {
                if let Some(known) = known {
                    known.removed = true;
                    known.id = format!("{} (before)", known.id);
                }
                let index =
                    free_index(record).ok_or_else(|| ControlError::NoIndex(pool.id.to_string()))?;
                newcomers.push(index);
                record.members.push(MemberRecord {
                    index,
                    id: spec.id.to_string(),
                    endpoint: endpoint(spec),
                    removed: false,
                    down: false,
                    up: is_start,
                    up_since: None,
                    share: WHOLE,
                    incarnation,
                });
            }
        }
    }
    let method = method(pool.lb_method);
    for spec in &pool.members {
        if let Some(known) = record.members.iter_mut().find(|known| known.id == spec.id.as_str()) {
            ramp::follow(known, spec, method, now);
        }
    }
    Ok(Target {
        listener: clients::listener(pool, vip),
        allowed: clients::allowed(vip),
        method,
        timers: timers(&pool.timeouts),
        failover: failover(&pool.failover),
        keepalive_counts: pool.timeouts.keepalive_counts,
        ports: record.ports,
        snat: pool.snat_addresses.iter().copied().map(Addr::from).collect(),
        slots: slots(pool, record),
        identities: clients::identities(pool, record),
        endings: record.members.iter().map(|known| (known.index, ending(pool, known))).collect(),
        newcomers,
    })
}

const fn method(method: LbMethod) -> Method {
    match method {
        LbMethod::RoundRobin => Method::RoundRobin,
        LbMethod::LeastConnections => Method::LeastConn,
        LbMethod::SourceIp => Method::SourceIp,
        LbMethod::SourceIpPort => Method::SourceIpPort,
        LbMethod::LeastResponseTime => Method::LeastResponseTime,
    }
}

/// Where a member listens.
pub(super) fn endpoint(member: &MemberSpec) -> SocketAddr {
    SocketAddr::new(member.address, member.port.get())
}

fn forget_idle(record: &mut Record, maps: &Maps) -> Result<(), ControlError> {
    if record.members.iter().any(|member| member.removed) {
        let referred: HashSet<u32> = maps.flows()?.values().map(|flow| flow.member).collect();
        record.members.retain(|member| !member.removed || referred.contains(&member.index));
    }
    Ok(())
}

fn free_index(record: &Record) -> Option<u32> {
    let taken: HashSet<u32> = record.members.iter().map(|member| member.index).collect();
    (0..MEMBER_INDEXES).find(|index| !taken.contains(index))
}

/// What becomes of the connections of a member.
fn ending(pool: &PoolSpec, known: &MemberRecord) -> Ending {
    let same = |spec: &&MemberSpec| !known.removed && spec.id.as_str() == known.id;
    let time = u64::from(pool.drain_timeout) * 1_000_000;
    match pool.members.iter().find(same) {
        Some(_) if known.down && pool.on_marked_down == Some(OnMarkedDown::ShutdownSessions) => {
            Ending::Now
        }
        Some(spec) if spec.admin_state_up && !known.down && spec.weight.get() > 0 => Ending::GoesOn,
        Some(_) | None if time == 0 => Ending::GoesOn,
        Some(_) | None => Ending::Within(time),
    }
}

/// The members that are up. Those who are to take no connection of their own have no weight.
fn slots(pool: &PoolSpec, record: &Record) -> Vec<Slot> {
    let known = |member: &MemberSpec| {
        record.members.iter().find(|known| known.id == member.id.as_str() && !known.down)
    };
    let up = || {
        let up = pool.members.iter().filter(|member| member.admin_state_up);
        up.filter_map(|member| Some((member, known(member)?)))
    };
    let backups_rest = up().any(|(member, _)| !member.backup && member.weight.get() > 0);
    let slot = |(member, known): (&MemberSpec, &MemberRecord)| {
        let weight = match member.backup && backups_rest {
            true => 0,
            false => member.weight.get().into(),
        };
        Slot {
            member: known.index,
            weight: weight * known.share,
            limit: member.max_connections.map_or(0, |limit| part(limit, known.share)),
            address: member.address.into(),
            port: Be16::new(member.port.get()),
            reserved: 0,
        }
    };
    up().map(slot).collect()
}

/// What a limit comes to for a member that has this part of its share; one at least.
fn part(limit: NonZeroU32, share: u32) -> u32 {
    let part = u64::from(limit.get()) * u64::from(share) / u64::from(WHOLE);
    (part as u32).max(1)
}

fn failover(spec: &FailoverSpec) -> Failover {
    Failover {
        retries: spec.retries,
        eject_after: spec.eject_after,
        eject_for: u64::from(spec.eject_for) * 1_000_000,
    }
}

fn timers(timeouts: &Timeouts) -> Timers {
    let nanos = |millis: u32| u64::from(millis) * 1_000_000;
    Timers {
        opening: nanos(timeouts.connect),
        client: nanos(timeouts.client),
        server: nanos(timeouts.server),
        closing: nanos(timeouts.fin),
        closed: nanos(timeouts.time_wait),
    }
}
