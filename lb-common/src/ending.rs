//! How connections end, and leave conntrack.
//!
//! Everything that ends a connection comes through here: exactly one [`record`] takes it out of the
//! counts, counts its end and tells of it.

use crate::{
    counter::Event,
    event, ports, schedule,
    state::{Flow, FlowKey, Mode, PhaseBits},
    tables::Tables,
};

/// Records facts in the client's entry, while the member's is there. If they end the connection, that is
/// counted as `how`, and its NAT port rests.
#[inline(always)]
pub(crate) fn record<T: Tables>(
    tables: &T,
    key: &FlowKey,
    client: &Flow,
    facts: PhaseBits,
    how: Event,
) {
    let change = client.phase.record(tables, facts);
    if change.closed {
        conclude(tables, key, client, how);
        if client.mode() == Mode::Nat {
            ports::rest(tables, key, client, change.before.with(facts));
        }
    }
}

/// Takes a connection out of the counts. Only to be called by whoever closed it
/// ([`crate::state::Phase::record`]).
#[inline(always)]
pub(crate) fn conclude<T: Tables>(tables: &T, key: &FlowKey, client: &Flow, how: Event) {
    schedule::closed(tables, client.pool(), client.member);
    tables.count(how.into());
    event::closed(tables, key, client);
}

/// Ends a connection if it has not ended, and removes both its entries at once.
#[inline(always)]
pub(crate) fn cut<T: Tables>(
    tables: &T,
    key: &FlowKey,
    client: &Flow,
    fact: PhaseBits,
    how: Event,
) {
    // An entry that is removed may be another connection's before it is read once more.
    let (peer, is_direct) = (client.peer_key(key), client.is_direct());
    let closed = client.phase.record(tables, fact).closed;
    if closed {
        conclude(tables, key, client, how);
    }
    // The member of a direct one has no entry, and no port.
    if closed && !is_direct {
        ports::release(tables, &peer);
    } else if !is_direct {
        ports::vacate(tables, &peer, true);
    }
    tables.remove_flow(key);
}

/// Removes the member's entry of a connection that has left it, and frees its port.
#[inline(never)]
pub(crate) fn forget_answers<T: Tables>(tables: &T, key: &FlowKey, client: &Flow) {
    match client.mode() {
        Mode::Nat => ports::release(tables, &client.peer_key(key)),
        Mode::Dnat => tables.remove_flow(&client.peer_key(key)),
        Mode::Dsr => {}
    }
}

/// The member's entry of a connection, if there is one.
#[inline(always)]
pub(crate) fn answers<T: Tables>(tables: &T, key: &FlowKey, client: &Flow) -> Option<T::Ref<Flow>> {
    if client.is_direct() { None } else { tables.flow(&client.peer_key(key)) }
}

/// Ends a connection whose client port is wanted for a new one, and removes the client's entry. The member's
/// stays behind with the NAT port, which the new connection may take over ([`ports::vacate`]).
#[inline(never)]
pub(crate) fn supersede<T: Tables>(tables: &T, key: &FlowKey, client: &Flow) {
    let peer = client.peer_key(key);
    record(tables, key, client, PhaseBits::SUPERSEDED, Event::Closed);
    match client.mode() {
        Mode::Nat => ports::leave_behind(tables, &peer, key, client),
        // The member's entry holds no port, and may be in the way of the new connection's.
        Mode::Dnat => tables.remove_flow(&peer),
        Mode::Dsr => {}
    }
    tables.remove_flow(key);
    tables.count(Event::Reopened.into());
}
