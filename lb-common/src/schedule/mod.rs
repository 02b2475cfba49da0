//! Which member takes a new connection.

mod ask;
mod cycle;
mod order;
mod rank;
mod scan;
mod tournament;

pub use ask::{Ask, Avoid};
pub use cycle::{Cycle, Turn};

use ask::Terms;
use order::Place;
use rank::{Rank, Set};

use crate::{
    state::{Method, Pool, Slot},
    tables::Tables,
    verdict::RefuseReason,
};

/// No member has this index.
const NOBODY: u32 = u32::MAX;

/// Chooses a member of the pool with index `index`.
///
/// An ejected member ([`crate::state::Load::out_until`]) is chosen only when everybody else is
/// ejected or to be avoided, too.
///
/// # Errors
/// Why there is none to choose.
#[inline(always)]
pub fn pick<T: Tables>(
    tables: &T,
    index: u32,
    pool: &Pool,
    ask: &Ask,
) -> Result<Slot, RefuseReason> {
    let set = Set { index, pool };
    let terms = Terms::of(ask);
    let member = choose(tables, set, terms).or_else(|| choose(tables, set, terms.with_ejected()));
    let slot = member.and_then(|member| tables.slot(&pool.part(index, member)));
    slot.ok_or(RefuseReason::NoMember)
}

#[inline(always)]
fn choose<T: Tables>(tables: &T, set: Set<'_>, terms: Terms<'_>) -> Option<u32> {
    let first = match Method::from_number(set.pool.method)? {
        Method::RoundRobin => order::next(tables, set, Place::Turn, terms),
        Method::LeastConn => {
            let winner = tournament::winner(tables, set)?;
            let load = tables.load(winner)?;
            terms.allow(winner, &load).then_some(winner)
        }
    };
    first.or_else(|| scan::best(tables, set, terms))
}

/// Counts a connection that a member was given.
#[inline(always)]
pub fn opened<T: Tables>(tables: &T, pool: u32, member: u32) {
    change(tables, pool, member, 1);
}

/// Takes a connection that ended out of its member's count.
///
/// Only to be called by whoever closed it ([`crate::state::Phase::record`]).
#[inline(always)]
pub fn closed<T: Tables>(tables: &T, pool: u32, member: u32) {
    change(tables, pool, member, u32::MAX);
}

#[inline(always)]
fn change<T: Tables>(tables: &T, index: u32, member: u32, by: u32) {
    let (Some(cursor), Some(load)) = (tables.cursor(index), tables.load(member)) else { return };
    load.stamp.set(tables.add64(&cursor.stamp, 1) + 1);
    tables.add32(&load.active, by);
    // After the change: a set that appears later is filled with the load as it is now.
    if let Some(pool) = tables.pool(index)
        && Method::from_number(pool.method).is_some_and(Method::has_tournament)
    {
        tournament::changed(tables, Set { index, pool: &pool }, member);
    }
}
