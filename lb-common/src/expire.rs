//! When a conntrack entry may go.

use crate::{
    counter::Event,
    schedule,
    state::{Flow, FlowKey, PhaseBits, State, Timers},
    tables::Tables,
};

/// The member's entry is there before the client's: younger than this, in nanoseconds,
/// it is never taken for an orphan.
const GRACE: u64 = 1_000_000_000;

/// Removes an entry if its time has come. Safe beside packets of the same connection.
///
/// A call removes no entry but the given one, so it can be made while walking the table:
/// the client's entry goes when the connection's timer has run out, the member's when the
/// client's is gone.
#[inline(always)]
pub fn expire<T: Tables>(tables: &T, key: &FlowKey, flow: &Flow, now: u64) {
    let gone = if flow.from_member == 0 {
        client_expired(tables, key, flow, now)
    } else {
        now.saturating_sub(flow.opened) >= GRACE && is_orphan(tables, key, flow)
    };
    if gone {
        tables.remove_flow(key);
        tables.count(Event::Reaped.into());
    }
}

/// Whether the connection's timer has run out; if so it is no longer counted.
#[inline(always)]
fn client_expired<T: Tables>(tables: &T, key: &FlowKey, flow: &Flow, now: u64) -> bool {
    let mut seen = flow.last_seen.get();
    if let Some(answers) = tables.flow(&flow.peer_key(key)) {
        seen = seen.max(answers.last_seen.get());
    }
    let limit = match tables.pool(flow.pool) {
        Some(pool) => limit(&pool.timers, flow.phase.get().state()),
        None => 0,
    };
    // A packet of another CPU may be newer than `now`; that is not old age.
    if now.saturating_sub(seen) < limit {
        return false;
    }
    if flow.phase.record(tables, PhaseBits::EXPIRED).closed {
        schedule::closed(tables, flow.pool, flow.member);
        tables.count(Event::Expired.into());
    }
    true
}

/// Whether a member's entry has lost its connection: the client's entry is gone, or has
/// been taken over by a newer connection with another NAT port.
#[inline(always)]
fn is_orphan<T: Tables>(tables: &T, key: &FlowKey, flow: &Flow) -> bool {
    match tables.flow(&flow.peer_key(key)) {
        Some(client) => !client.answers(key),
        None => true,
    }
}

#[inline(always)]
const fn limit(timers: &Timers, state: State) -> u64 {
    match state {
        State::Opening => timers.opening,
        State::Established => timers.established,
        State::Closing => timers.closing,
        State::Closed => timers.closed,
    }
}
