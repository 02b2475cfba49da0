//! NAT ports: when one is free again, and which one a connection may have before it is.
//!
//! A port belongs to one member's entry in conntrack from the moment its bit is taken
//! ([`crate::state::PortBlock`]) until that entry is removed. When the connection closes, the port
//! rests ([`rest`]): its entries serve late segments, and a new connection may take it over when there
//! is no free port left. Exactly one frees it: whoever closed the connection and did not lay the port to
//! rest ([`release`]), or whoever woke it ([`vacate`]).

mod reuse;
mod scan;

pub(crate) use reuse::{Syn, Welcome, evict, leave_behind, welcome};
pub(crate) use scan::first;

use crate::{
    state::{Flow, FlowKey, PhaseBits, PortKey, Rest},
    tables::Tables,
};

/// Removes the member's entry with this `key` and frees its port, which the caller has.
#[inline(never)]
pub(crate) fn release<T: Tables>(tables: &T, key: &FlowKey) {
    // The entry first: a free port has none.
    tables.remove_flow(key);
    free(tables, key);
}

/// Frees the port of a member's entry that is gone, or never came to be; the caller has the port.
#[inline(never)]
pub(crate) fn free<T: Tables>(tables: &T, key: &FlowKey) {
    if let Some(block) = tables.ports(&PortKey::of(key)) {
        block.free(tables, key.tuple.dport.get().into());
    }
}

/// Lays the port of a connection to rest that these facts have closed. Only to be called by whoever
/// closed it ([`crate::state::Phase::record`]).
#[inline(always)]
pub(crate) fn rest<T: Tables>(tables: &T, key: &FlowKey, client: &Flow, facts: PhaseBits) {
    lay(tables, key, client, Rest::of(facts) == Rest::Waiting);
}

#[inline(never)]
fn lay<T: Tables>(tables: &T, key: &FlowKey, client: &Flow, waiting: bool) {
    let key = client.peer_key(key);
    if let Some(block) = tables.ports(&PortKey::of(&key)) {
        let rest = if waiting { Rest::Waiting } else { Rest::Quiet };
        block.rest(tables, key.tuple.dport.get().into(), rest);
    }
}

/// Removes the member's entry with this `key` and frees its port if that rests, in one of these ways.
/// Returns whether it did; if not, somebody is about to, or to take the port over.
#[inline(never)]
pub(crate) fn vacate<T: Tables>(tables: &T, key: &FlowKey, also_waiting: bool) -> bool {
    let port = key.tuple.dport.get().into();
    let Some(block) = tables.ports(&PortKey::of(key)) else {
        // There was no room to note who has it, so nobody else has.
        tables.remove_flow(key);
        return true;
    };
    let woken = block.wake(tables, port, Rest::Quiet)
        || (also_waiting && block.wake(tables, port, Rest::Waiting));
    if woken {
        tables.remove_flow(key);
        block.free(tables, port);
    }
    woken
}
