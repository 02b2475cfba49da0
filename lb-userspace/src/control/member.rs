//! Changes to the members of a pool that is served.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::plan::endpoint;
use super::reach::{check_link, warn_unreachable};
use super::standing::{Whereabouts, whereabouts};
use super::{ControlError, update::update};
use crate::config::model::{Id, MemberSpec, Port, Weight, validate};
use crate::config::{PoolSpec, servable};
use crate::monitor::PoolHealth;
use crate::registry::{Record, Registry, Served};

/// A change to one member.
#[derive(Clone, Debug)]
pub enum MemberChange {
    /// A new member takes part.
    Add(MemberSpec),
    /// A member changes.
    Set {
        /// Its id, the beginning of it, or its address and port.
        member: String,
        /// What is to be another way.
        settings: Settings,
    },
    /// A member leaves; its connections live on, for `drain_timeout` if the pool has one.
    Remove {
        /// As for `Set`.
        member: String,
    },
}

/// What can change of a member; what is none stays.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// Its share of new connections.
    pub weight: Option<Weight>,
    /// Whether it is a backup.
    pub backup: Option<bool>,
    /// Most connections at once; the inner none is no limit.
    pub max_connections: Option<Option<NonZeroU32>>,
    /// Milliseconds of its slow start.
    pub slow_start: Option<u32>,
    /// Its admin state.
    pub admin_state_up: Option<bool>,
    /// How it is, instead of what its monitors find.
    pub health: Option<HealthOrder>,
}

/// What an operator says about a member's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HealthOrder {
    /// It is well, whatever its monitors find.
    Up,
    /// It is not.
    Down,
    /// It is as its monitors find it; without any it is well.
    Auto,
}

impl Settings {
    /// Changes the declaration of a member; its health is not declared.
    const fn apply(&self, member: &mut MemberSpec) {
        let Self { weight, backup, max_connections, slow_start, admin_state_up, health: _ } = *self;
        if let Some(weight) = weight {
            member.weight = weight;
        }
        if let Some(backup) = backup {
            member.backup = backup;
        }
        if let Some(limit) = max_connections {
            member.max_connections = limit;
        }
        if let Some(millis) = slow_start {
            member.slow_start = millis;
        }
        if let Some(up) = admin_state_up {
            member.admin_state_up = up;
        }
    }
}

/// A member as the command line names it: the id defaults to address and port.
///
/// # Errors
/// When the address cannot be an id.
pub fn new_member(
    id: Option<Id>,
    address: IpAddr,
    port: Port,
    settings: &Settings,
) -> Result<MemberSpec, crate::config::model::ValueError> {
    let id = match id {
        Some(id) => id,
        None => Id::new(&SocketAddr::new(address, port.get()).to_string().replace(['[', ']'], ""))?,
    };
    let mut member = MemberSpec {
        id,
        address,
        port,
        weight: Weight::default(),
        backup: false,
        max_connections: None,
        slow_start: 0,
        monitor_address: None,
        monitor_port: None,
        admin_state_up: true,
    };
    settings.apply(&mut member);
    Ok(member)
}

/// Applies a change to the pool an operator means. New connections follow it at once,
/// existing ones are not touched. Returns the member as it is, or was.
///
/// # Errors
/// When the pool or member is not found, or the result would be invalid; nothing is changed then.
pub fn change_member(
    registry: &Registry,
    pool: &str,
    change: MemberChange,
) -> Result<MemberSpec, ControlError> {
    let (_lock, Served { mut record, mut pool }) = registry.find_to_change(pool)?;
    let is_new = matches!(change, MemberChange::Add(_));
    let found = registry.health(pool.id.as_str())?;
    let changed = apply(&mut pool, &mut record, change, &found)?;
    let violations = validate(std::slice::from_ref(&pool));
    if !violations.is_empty() {
        return Err(ControlError::Invalid { pool: pool.id.to_string(), violations });
    }
    if let Err(refusals) = servable(&pool, []) {
        return Err(ControlError::NotServable { pool: pool.id.to_string(), refusals });
    }
    if let (true, Whereabouts::At(place)) = (is_new, whereabouts(&record)) {
        let added = std::slice::from_ref(&changed);
        check_link(&place, (record.ifindex, &record.device), &pool, added)?;
        warn_unreachable(&place, &record, &pool.id, added);
    }
    update(registry, &pool, &mut record)?;
    Ok(changed)
}

fn apply(
    pool: &mut PoolSpec,
    record: &mut Record,
    change: MemberChange,
    found: &PoolHealth,
) -> Result<MemberSpec, ControlError> {
    let member = declare(pool, &change)?;
    if let MemberChange::Set { settings: Settings { health: Some(order), .. }, .. } = change {
        let mut records = record.members.iter_mut();
        if let Some(known) = records.find(|known| !known.removed && known.id == member.id.as_str())
        {
            known.forced = order != HealthOrder::Auto;
            known.down = match order {
                HealthOrder::Up => false,
                HealthOrder::Down => true,
                HealthOrder::Auto => found.is_down(&known.id),
            };
        }
    }
    Ok(member)
}

/// Changes the declaration of a pool as asked, and nothing else. Returns the member as it is, or was.
///
/// # Errors
/// When the member is not found. The result may break a rule; that is the caller's to find out.
pub fn declare(pool: &mut PoolSpec, change: &MemberChange) -> Result<MemberSpec, ControlError> {
    match change {
        MemberChange::Add(member) => {
            pool.members.push(member.clone());
            Ok(member.clone())
        }
        MemberChange::Set { member, settings } => {
            let index = position(pool, member)?;
            let member = &mut pool.members[index];
            settings.apply(member);
            Ok(member.clone())
        }
        MemberChange::Remove { member } => {
            let index = position(pool, member)?;
            Ok(pool.members.remove(index))
        }
    }
}

fn position(pool: &PoolSpec, wanted: &str) -> Result<usize, ControlError> {
    let position = |is_meant: &dyn Fn(&MemberSpec) -> bool| pool.members.iter().position(is_meant);
    let exact = position(&|member| member.id.as_str() == wanted)
        .or_else(|| position(&|member| endpoint(member).to_string() == wanted));
    if let Some(index) = exact {
        return Ok(index);
    }
    // Every id begins with the empty text.
    let begins = |(_, member): &(usize, &MemberSpec)| {
        !wanted.is_empty() && member.id.as_str().starts_with(wanted)
    };
    let candidates: Vec<(usize, &MemberSpec)> =
        pool.members.iter().enumerate().filter(begins).collect();
    match candidates.as_slice() {
        [(index, _)] => Ok(*index),
        [] => Err(ControlError::NoMember { pool: pool.id.to_string(), member: wanted.to_owned() }),
        several => Err(ControlError::AmbiguousMember {
            member: wanted.to_owned(),
            candidates: several.iter().map(|(_, member)| member.id.to_string()).collect(),
        }),
    }
}

#[cfg(test)]
mod tests;
