//! Members that keep failing are left alone for a while.
//!
//! A member that does not accept several connections in a row is ejected. When the time is over, one
//! connection tries it; whether that one is accepted decides for the others.

use crate::{
    counter::Event,
    schedule,
    state::{Flow, Load, Pool},
    tables::Tables,
};

/// Takes note that its member did not accept a connection, whose client's entry this is.
#[inline(never)]
pub(super) fn failed<T: Tables>(tables: &T, pool: &Pool, client: &Flow, now: u64) {
    let member = client.member;
    tables.account_failure(member);
    let Some(load) = tables.load(member) else { return };
    let failures = tables.add32(&load.failures, 1) + 1;
    if keeps_failing(pool, failures) && load.out_until.get() <= now {
        schedule::leave_out(tables, client.pool(), member, now + pool.eject_for);
        tables.count(Event::Ejected.into());
    }
}

/// Takes note that its member accepted a connection, whose client's entry this is.
#[inline(always)]
pub(super) fn accepted<T: Tables>(tables: &T, client: &Flow) {
    let Some(load) = tables.load(client.member) else { return };
    if load.failures.get() != 0 {
        load.failures.set(0);
        schedule::leave_out(tables, client.pool(), client.member, 0);
    }
}

/// Takes note that a member was chosen by the pool with this index: if it was ejected before, this connection is the trial.
#[inline(never)]
pub(super) fn chosen<T: Tables>(tables: &T, index: u32, pool: &Pool, member: u32, now: u64) {
    let Some(load) = tables.load(member) else { return };
    if keeps_failing(pool, load.failures.get()) && is_over(&load, now) {
        schedule::leave_out(tables, index, member, now + pool.eject_for);
    }
}

#[inline(always)]
const fn keeps_failing(pool: &Pool, failures: u32) -> bool {
    pool.eject_after != 0 && failures >= pool.eject_after
}

#[inline(always)]
fn is_over(load: &Load, now: u64) -> bool {
    load.out_until.get() <= now
}
