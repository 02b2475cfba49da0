//! UDP flows: datagrams between the same two ends, as far as a balancer can tell what belongs together.
//!
//! A flow opens with any datagram of a client to a listener, is half open until its member answers, and
//! ends by its timers alone. Its member is looked at as long as it lasts: where it is no more, the next
//! datagram goes to another one, because nothing there knows of the flow that another could not know.

use crate::{
    forward::{Path, eject, known, open::Wish, waiting},
    schedule,
    state::{Flow, FlowKey, PhaseBits},
    tables::Tables,
    verdict::Direction,
    wire::Segment,
};

/// Whether a datagram of this known flow, if it is a client's, opens it anew: it has ended, or has lost its
/// member. A set of members that was found to have that is looked at once; its entry then has the number.
#[inline(always)]
pub(super) fn reopens<T: Tables>(tables: &T, flow: &Flow) -> bool {
    if flow.is_from_member() {
        return false;
    }
    if flow.phase.get().is_closed() {
        return true;
    }
    let (is_lost, generation) = has_lost_member(tables, flow);
    if !is_lost && flow.next.get() != generation {
        flow.next.set(generation);
    }
    is_lost
}

/// Whether the flow asks for a member, as a new one or as one that has lost its own.
#[inline(always)]
pub(super) fn wishes<T: Tables>(tables: &T, key: &FlowKey, flow: &Flow, wish: &mut Wish) -> bool {
    if !reopens(tables, flow) {
        return false;
    }
    if flow.phase.get().is_closed() {
        known::retire(tables, key, flow);
    } else {
        wish.moves = 1;
    }
    true
}

/// Whether the member of this client's entry has left its pool, or is down. One that is only drained has
/// its place there still. Also the set of members that was looked at.
#[inline(always)]
pub(super) fn has_lost_member<T: Tables>(tables: &T, flow: &Flow) -> (bool, u32) {
    let seen = flow.next.get();
    // Without its pool it has nowhere else to go.
    let Some(pool) = tables.pool(flow.pool()) else { return (false, seen) };
    if seen == pool.generation {
        return (false, seen);
    }
    let to = &flow.rewrite.to;
    let is_there = match tables.slot(&pool.part(flow.pool(), flow.member)) {
        Some(slot) => slot.address == to.dst && slot.port == to.dport,
        None => false,
    };
    (!is_there, pool.generation)
}

/// Takes note of a datagram that goes along its flow.
#[inline(always)]
pub(super) fn follow<T: Tables>(
    tables: &T,
    key: &FlowKey,
    flow: &Flow,
    datagram: &Segment,
) -> Direction {
    flow.pass(tables, tables.now(), datagram.payload);
    let direction = if flow.is_from_member() {
        if flow.phase.get() == PhaseBits::NONE {
            answer(tables, key, flow);
        }
        Direction::ToClient
    } else {
        Direction::ToMember
    };
    tables.account(flow.member, direction, datagram.payload);
    direction
}

/// Finds the path of a datagram if its flow is known.
#[inline(never)]
pub(super) fn follow_if_there<T: Tables>(
    tables: &T,
    key: &FlowKey,
    datagram: &Segment,
    path: &mut Path,
) -> bool {
    let Some(flow) = tables.flow(key) else { return false };
    path.direction = follow(tables, key, &flow, datagram);
    path.rewrite = flow.rewrite;
    true
}

/// Takes note of a member's first answer: the flow is half open no longer.
#[inline(never)]
fn answer<T: Tables>(tables: &T, key: &FlowKey, flow: &Flow) {
    let client_key = flow.peer_key(key);
    let Some(client) = tables.flow(&client_key) else { return };
    // A member's entry can outlive its flow; the client's port may have another one.
    if !client.answers(key) {
        return;
    }
    flow.phase.record(tables, PhaseBits::ACCEPTED);
    let now = tables.exact_now();
    client.accepted.set(now);
    eject::accepted(tables, client.member);
    let elapsed = now.saturating_sub(client.opened);
    schedule::accepted(tables, client.pool(), client.member, elapsed);
    waiting::leave(tables, &client);
    // These facts end nothing.
    client.phase.record(tables, PhaseBits::ACCEPTED.with(PhaseBits::COMPLETED));
}
