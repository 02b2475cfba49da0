//! How connections end, and leave conntrack.
//!
//! Everything that ends a connection comes through here: exactly one [`record`] takes it out of the
//! counts, counts its end and tells of it.

use crate::{
    counter::Event,
    event, schedule,
    state::{Flow, FlowKey, PhaseBits},
    tables::Tables,
};

/// Records facts in the client's entry, while the member's is there. Returns whether they end the
/// connection, which is then counted as `how`.
#[inline(always)]
pub(crate) fn record<T: Tables>(
    tables: &T,
    key: &FlowKey,
    client: &Flow,
    facts: PhaseBits,
    how: Event,
) -> bool {
    let closed = client.phase.record(tables, facts).closed;
    if closed {
        conclude(tables, key, client, how);
    }
    closed
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
    let peer = client.peer_key(key);
    record(tables, key, client, fact, how);
    tables.remove_flow(&peer);
    tables.remove_flow(key);
}
