//! Which member takes a new connection.

mod ask;
mod back;
mod cycle;
mod descend;
pub mod maglev;
mod order;
mod rank;
mod response;
mod scan;
mod source;
mod tournament;

pub use ask::{Ask, Avoid};
pub use cycle::{Cycle, Turn};
pub use source::{Places, Share};

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

/// Gives the members of a set their leaves, and each the handicap that its weight is.
pub fn seat(slots: &mut [Slot]) {
    for (leaf, slot) in (0..).zip(slots) {
        slot.leaf = leaf;
        slot.handicap = response::handicap(slot.weight.max(1), rank::HEAVIEST as u32);
    }
}

/// Chooses a member of the pool with index `index`.
///
/// The method's choice stands if that member has room and is neither to be avoided nor ejected
/// ([`crate::state::Load::out_until`]). Otherwise the next in the method's order has it, or the least
/// loaded. When all that is left is ejected, nobody counts as ejected.
///
/// # Errors
/// Why there is none to choose.
#[inline(always)]
pub fn pick<T: Tables>(
    tables: &T,
    index: u32,
    pool: &Pool,
    ask: &Ask,
) -> Result<T::Ref<Slot>, RefuseReason> {
    if pool.members == 0 {
        return Err(RefuseReason::NoMember);
    }
    let member = answer(tables, index, pool, ask);
    let slot = if member == NOBODY { None } else { tables.slot(&pool.part(index, member)) };
    slot.ok_or(if ask.avoid == Avoid::NONE {
        RefuseReason::MembersFull
    } else {
        RefuseReason::NoMember
    })
}

/// The least loaded member of the pool with index `index` that is neither to be avoided nor ejected, where
/// the method's choice cannot have a connection for a reason that is none of the schedule's.
#[inline(always)]
pub fn pick_other<T: Tables>(
    tables: &T,
    index: u32,
    pool: &Pool,
    ask: &Ask,
) -> Option<T::Ref<Slot>> {
    let member = other(tables, index, pool, ask);
    if member == NOBODY { None } else { tables.slot(&pool.part(index, member)) }
}

#[inline(never)]
fn other<T: Tables>(tables: &T, index: u32, pool: &Pool, ask: &Ask) -> u32 {
    scan::best(tables, Set { index, pool }, ask).unwrap_or(NOBODY)
}

/// The index of the member that is chosen. Has the BPF stack for itself as long as it looks.
#[inline(never)]
fn answer<T: Tables>(tables: &T, index: u32, pool: &Pool, ask: &Ask) -> u32 {
    choose(tables, Set { index, pool }, ask).unwrap_or(NOBODY)
}

#[inline(always)]
fn choose<T: Tables>(tables: &T, set: Set<'_>, ask: &Ask) -> Option<u32> {
    // A number even if it is nobody: older verifiers do not see that a value that may be missing is not used then.
    let least_loaded = match set.pool.has_tournament() {
        // Whoever only asks lets nobody back in, and wants to know who was due.
        true if T::DRY => scan::least_loaded(tables, set)?,
        true => tournament::winner(tables, set, ask.now)?,
        false => NOBODY,
    };
    let method = Method::from_number(set.pool.method)?;
    let place = match method {
        Method::RoundRobin => Place::TURN,
        Method::SourceIp => Place::at(ask.client),
        Method::SourceIpPort => Place::at(hash(ask)),
        Method::LeastConn | Method::LeastResponseTime => {
            return best(tables, set, ask, least_loaded);
        }
    };
    let terms = Terms::of(ask);
    order::next(tables, set, place, terms).or_else(|| {
        let best = best(tables, set, ask, least_loaded)?;
        if set.can_take(tables, best, terms) {
            return Some(best);
        }
        // All that may have it are ejected.
        order::next(tables, set, place, terms.with_ejected()).or(Some(best))
    })
}

/// The best that may have the connection, an ejected one only if all of them are.
#[inline(always)]
fn best<T: Tables>(tables: &T, set: Set<'_>, ask: &Ask, least_loaded: u32) -> Option<u32> {
    if least_loaded != NOBODY {
        if set.can_take(tables, least_loaded, Terms::of(ask)) {
            return Some(least_loaded);
        }
        tables.overlook(least_loaded, false);
        if !T::DRY {
            return descend::best(tables, set, ask);
        }
    }
    scan::best(tables, set, ask)
}

/// Spreads clients by address and port.
#[inline(always)]
const fn hash(ask: &Ask) -> u32 {
    spread(ask.client ^ ask.port.wrapping_mul(0x9e37_79b1))
}

/// Spreads the bits of a word (the finalizer of MurmurHash3).
#[inline(always)]
pub(crate) const fn spread(mut word: u32) -> u32 {
    word ^= word >> 16;
    word = word.wrapping_mul(0x85eb_ca6b);
    word ^= word >> 13;
    word = word.wrapping_mul(0xc2b2_ae35);
    word ^ (word >> 16)
}

/// Takes note of how long a member took to accept a connection, in nanoseconds from the SYN to the
/// SYN-ACK. Once for each connection.
#[inline(always)]
pub fn accepted<T: Tables>(tables: &T, pool: u32, member: u32, elapsed: u64) {
    if tables.pool(pool).is_some_and(|pool| pool.goes_by_response()) {
        // Zero is nothing to take note of.
        tables.load_changed(pool, member, 0, elapsed | 1);
    }
}

/// Counts a connection that a member was given. Its listener has counted it already
/// ([`crate::state::VipLoad::enter`]).
#[inline(always)]
pub fn opened<T: Tables>(tables: &T, pool: u32, member: u32) {
    tables.load_changed(pool, member, 1, 0);
    if let Some(cursor) = tables.cursor(pool) {
        tables.add64(&cursor.opened, 1);
    }
}

/// Moves a connection from one member's count to another's.
///
/// Only to be called by whoever took it from the first ([`crate::state::Phase::record`]).
#[inline(always)]
pub fn moved<T: Tables>(tables: &T, pool: u32, from: u32, to: u32) {
    tables.load_changed(pool, from, u32::MAX, 0);
    tables.load_changed(pool, to, 1, 0);
}

/// Takes a connection that ended out of the counts of its member and its listener.
///
/// Only to be called by whoever closed it ([`crate::state::Phase::record`]).
#[inline(always)]
pub fn closed<T: Tables>(tables: &T, pool: u32, member: u32) {
    tables.load_changed(pool, member, u32::MAX, 0);
    if let Some(load) = tables.vip_load(pool) {
        load.leave(tables);
    }
}

/// Leaves a member out until then, in nanoseconds of monotonic time; zero lets it back in.
///
/// The only way to do so ([`crate::state::Load::out_until`]), because who is left out is known to the tournament.
#[inline(always)]
pub fn leave_out<T: Tables>(tables: &T, pool: u32, member: u32, until: u64) {
    let Some(load) = tables.load(member) else { return };
    load.out_until.set(until);
    tables.load_changed(pool, member, 0, 0);
}

/// Takes a change of a member's load into account: `by` so many connections, wrapping, and that it took `elapsed` nanoseconds to
/// accept one, if that is not zero. For [`Tables::load_changed`] only.
#[inline(always)]
pub fn change<T: Tables>(tables: &T, index: u32, member: u32, by: u32, elapsed: u64) {
    let (Some(cursor), Some(load)) = (tables.cursor(index), tables.load(member)) else { return };
    if by != 0 {
        load.stamp.set(tables.add64(&cursor.stamp, 1) + 1);
        tables.add32(&load.active, by);
    }
    let Some(pool) = tables.pool(index) else { return };
    if pool.goes_by_response() {
        response::stand(tables, &load, elapsed);
    } else if load.standing.get() != 0 {
        // Nobody keeps it up to date from here on.
        load.standing.set(0);
    }
    // After the change: a set that appears later is filled with the load as it is now.
    if pool.has_tournament() {
        tournament::changed(tables, Set { index, pool: &pool }, member);
    }
}
