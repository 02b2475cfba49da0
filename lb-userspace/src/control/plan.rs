//! From a pool's declaration and record to what the datapath is to do.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::num::NonZeroU32;

use lb_common::addr::Addr;
use lb_common::be::Be16;
use lb_common::state::{Method, Mode, Slot, Timers};

use super::places::Places;
use super::ramp::{self, WHOLE};
use super::{ControlError, clients};
use crate::config::PoolSpec;
use crate::config::model::{
    Failover as FailoverSpec, LbMethod, MemberSpec, Mode as ModeSpec, OnMarkedDown, Timeouts,
    VipSpec,
};
use crate::datapath::{Ending, Failover, Maps, Target};
use crate::registry::{MemberRecord, Record, Registry};

/// Gives every member of `pool` an index and forgets removed ones that nothing refers to any
/// more; returns what the datapath is to do. `record` is brought up to date. The registry's lock must be held.
pub(super) fn plan(
    registry: &Registry,
    pool: &PoolSpec,
    vip: &VipSpec,
    record: &mut Record,
    maps: &Maps,
) -> Result<Target, ControlError> {
    // Who is there when a service begins is not held back.
    let is_start = record.members.is_empty();
    let now = ramp::now();
    let is_known = |spec: &&MemberSpec| {
        let known = record.members.iter().find(|known| known.id == spec.id.as_str());
        known.is_some_and(|known| known.endpoint == endpoint(spec))
    };
    let goes = record.members.iter().any(|known| known.removed);
    let coming = pool.members.iter().filter(|spec| !is_known(spec)).count() as u32;
    let places = Places::of(registry, pool.id.as_str(), record);
    let fresh = if coming > 0 { places.members(coming, maps)? } else { None };
    let mut fresh = fresh.map_or(0..0, |first| first..first + coming);
    // Conntrack may be large, and most changes neither bring members nor rid of any.
    let looks = coming > 0 && fresh.is_empty();
    let mut taken = if looks || goes { taken(record, maps)? } else { HashSet::new() };
    if looks {
        taken.extend(places.members_of_others()?);
    }
    for member in &mut record.members {
        member.removed = !pool.members.iter().any(|spec| spec.id.as_str() == member.id);
    }
    // Unlike a count in the record, it grows even if the change is undone.
    let incarnation = maps.next_generation(record.index)?;
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
                let index = fresh
                    .next()
                    .or_else(|| free_index(record, &taken, maps.member_capacity()))
                    .ok_or_else(|| ControlError::NoIndex(pool.id.to_string()))?;
                newcomers.push(index);
                record.members.push(MemberRecord {
                    index,
                    id: spec.id.to_string(),
                    endpoint: endpoint(spec),
                    removed: false,
                    down: false,
                    forced: false,
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
        listener: clients::listener(pool, vip, record.zone),
        allowed: clients::allowed(vip),
        method,
        mode: mode(pool.mode),
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

const fn mode(mode: ModeSpec) -> Mode {
    match mode {
        ModeSpec::Nat => Mode::Nat,
        ModeSpec::Dnat => Mode::Dnat,
        ModeSpec::Dsr => Mode::Dsr,
    }
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

/// The indexes that members cannot have because connections are theirs, beside those of the record, from which removed
/// members go that have no connection any more. A pool that has ended has left some.
fn taken(record: &mut Record, maps: &Maps) -> Result<HashSet<u32>, ControlError> {
    let taken: HashSet<u32> = maps.flows()?.values().map(|flow| flow.member).collect();
    let is_idle = |member: &MemberRecord| member.removed && !taken.contains(&member.index);
    for member in record.members.iter().filter(|member| is_idle(member)) {
        let stats = maps.stats(member.index)?;
        record.past.failed += stats.failed;
        record.past.bytes_in += stats.bytes_in;
        record.past.bytes_out += stats.bytes_out;
    }
    record.members.retain(|member| !is_idle(member));
    Ok(taken)
}

fn free_index(record: &Record, taken: &HashSet<u32>, capacity: u32) -> Option<u32> {
    let own: HashSet<u32> = record.members.iter().map(|member| member.index).collect();
    (0..capacity).find(|index| !own.contains(index) && !taken.contains(index))
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
            leaf: 0,
            handicap: 0,
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
