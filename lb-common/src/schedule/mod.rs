//! Which member takes a new connection.

mod ask;
mod cycle;
mod leastconn;
mod roundrobin;

pub use ask::{Ask, Avoid};
pub use cycle::{Cycle, Turn};

use ask::Terms;

use crate::{
    state::{Method, Pool, Slot},
    tables::Tables,
    verdict::RefuseReason,
};

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
    let terms = Terms::of(ask);
    let slot = match Method::from_number(pool.method) {
        Some(Method::RoundRobin) => roundrobin::pick(tables, index, pool, terms),
        Some(Method::LeastConn) => leastconn::pick(tables, pool, terms),
        None => None,
    };
    let slot = slot.and_then(|slot| pool.slots.get(slot as usize).copied());
    slot.ok_or(RefuseReason::NoMember)
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
fn change<T: Tables>(tables: &T, pool: u32, member: u32, by: u32) {
    if let (Some(cursor), Some(load)) = (tables.cursor(pool), tables.load(member)) {
        tables.add32(&load.active, by);
        load.stamp.set(tables.add64(&cursor.stamp, 1) + 1);
    }
}
