//! Keeping a client on the member it had before.

use crate::{
    addr::Addr,
    counter::Event,
    forward::reserve::Goal,
    state::{Pool, Sticky, StickyKey, Vip},
    tables::Tables,
};

/// Whether the client may have the member again that it had: that is then the goal.
///
/// That wins over the pool's method, and over a weight of zero: a member that is drained keeps its
/// clients (`stick on`, HAProxy configuration manual, section 4.2). A member that has left the pool
/// or is administratively down has no slot, and one that took its index over is another incarnation.
/// Nobody is sent back to a member that is ejected or has as many connections as it may.
#[inline(never)]
pub(super) fn recall<T: Tables>(
    tables: &T,
    vip: &Vip,
    pool: &Pool,
    client: Addr,
    goal: &mut Goal,
) -> bool {
    if vip.persistence.enabled == 0 {
        return false;
    }
    let Some(sticky) = tables.sticky(&key(vip, client)) else { return false };
    let Some(identity) = tables.identity(sticky.member) else { return false };
    if identity.incarnation != sticky.incarnation
        || !sticky.is_fresh(vip.persistence.timeout, goal.now)
    {
        return false;
    }
    let Some(slot) = tables.slot(&pool.part(vip.pool, sticky.member)) else { return false };
    let Some(load) = tables.load(sticky.member) else { return false };
    let is_full = slot.limit != 0 && load.active.get() >= slot.limit;
    goal.slot = *slot;
    let takes = !is_full && load.out_until.get() <= goal.now;
    if !takes {
        tables.overlook(sticky.member, true);
    }
    takes
}

/// Notes the member that a client's new connection was given to.
///
/// To be called whenever that is decided anew, so that the entry always names the member that
/// got the last connection.
#[inline(never)]
pub(super) fn remember<T: Tables>(tables: &T, vip: &Vip, client: Addr, member: u32, now: u64) {
    if vip.persistence.enabled == 0 {
        return;
    }
    let key = key(vip, client);
    let Some(identity) = tables.identity(member) else { return };
    let incarnation = identity.incarnation;
    match tables.sticky(&key) {
        Some(sticky)
            if (sticky.member, sticky.incarnation) == (member, incarnation)
                && sticky.is_fresh(vip.persistence.timeout, now) =>
        {
            sticky.used.set(now);
            tables.count(Event::Persisted.into());
        }
        _ => tables.stick(&key, Sticky { member, incarnation, since: now, used: now.into() }),
    }
}

#[inline(always)]
fn key(vip: &Vip, client: Addr) -> StickyKey {
    StickyKey { pool: vip.pool, client: client.masked(vip.persistence.mask) }
}
