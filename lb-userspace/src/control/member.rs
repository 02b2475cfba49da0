//! Changes to the members of a pool that is served.

use std::net::{IpAddr, SocketAddr};

use super::plan::endpoint;
use super::reach::warn_unreachable;
use super::standing::{Whereabouts, whereabouts};
use super::{ControlError, update::update};
use crate::config::model::{Id, MemberSpec, Port, Weight, validate};
use crate::config::{PoolSpec, servable};
use crate::registry::{Registry, Served};

/// A change to one member.
#[derive(Clone, Debug)]
pub enum MemberChange {
    /// A new member takes part.
    Add(MemberSpec),
    /// A member gets another weight or admin state.
    Set {
        /// Its id, the beginning of it, or its address and port.
        member: String,
        /// The new weight.
        weight: Option<Weight>,
        /// The new admin state.
        admin_state_up: Option<bool>,
    },
    /// A member leaves; its connections live on.
    Remove {
        /// As for `Set`.
        member: String,
    },
}

/// A member as the command line names it: the id defaults to address and port.
///
/// # Errors
/// When the address cannot be an id.
pub fn new_member(
    id: Option<Id>,
    address: IpAddr,
    port: Port,
    weight: Weight,
) -> Result<MemberSpec, crate::config::model::ValueError> {
    let id = match id {
        Some(id) => id,
        None => Id::new(&SocketAddr::new(address, port.get()).to_string().replace(['[', ']'], ""))?,
    };
    Ok(MemberSpec {
        id,
        address,
        port,
        weight,
        backup: false,
        max_connections: None,
        slow_start: 0,
        admin_state_up: true,
    })
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
    let changed = apply(&mut pool, change)?;
    let violations = validate(std::slice::from_ref(&pool));
    if !violations.is_empty() {
        return Err(ControlError::Invalid { pool: pool.id.to_string(), violations });
    }
    if let Err(refusals) = servable(&pool, []) {
        return Err(ControlError::NotServable { pool: pool.id.to_string(), refusals });
    }
    if let (true, Whereabouts::At(place)) = (is_new, whereabouts(&record)) {
        warn_unreachable(&place, &record, &pool.id, std::slice::from_ref(&changed));
    }
    update(registry, &pool, &mut record)?;
    Ok(changed)
}

fn apply(pool: &mut PoolSpec, change: MemberChange) -> Result<MemberSpec, ControlError> {
    match change {
        MemberChange::Add(member) => {
            pool.members.push(member.clone());
            Ok(member)
        }
        MemberChange::Set { member, weight, admin_state_up } => {
            let index = position(pool, &member)?;
            let member = &mut pool.members[index];
            member.weight = weight.unwrap_or(member.weight);
            member.admin_state_up = admin_state_up.unwrap_or(member.admin_state_up);
            Ok(member.clone())
        }
        MemberChange::Remove { member } => {
            let index = position(pool, &member)?;
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
