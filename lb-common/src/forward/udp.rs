//! UDP flows: datagrams between the same two ends, as far as a balancer can tell what belongs together.
//!
//! A flow opens with any datagram of a client to a listener, is half open until its member answers, and
//! ends by its timers alone. Its member is looked at as long as it lasts: where it is no more, the next
//! datagram goes to another one, because nothing there knows of the flow that another could not know.

use crate::{
    forward::{eject, failover, open::Wish, waiting},
    schedule,
    state::{Flow, FlowKey, PhaseBits},
    tables::Tables,
    verdict::Direction,
    wire::Segment,
};

/// Whether a datagram of this known flow, if it is a client's, may ask for another member. A set of members
/// that was found to have the flow's is looked at once; its entry then has the number.
#[inline(always)]
pub(super) fn may_wish<T: Tables>(tables: &T, flow: &Flow) -> bool {
    if flow.is_from_member() {
        return false;
    }
    let (is_lost, generation) = has_lost_member(tables, flow);
    if !T::DRY && !is_lost && flow.next.get() != generation {
        flow.next.set(generation);
    }
    is_lost || is_unreachable(flow)
}

/// Whether the flow asks for another member: its own is lost, or cannot be reached.
#[inline(always)]
pub(super) fn wishes<T: Tables>(tables: &T, key: &FlowKey, flow: &Flow, wish: &mut Wish) -> bool {
    if has_lost_member(tables, flow).0 {
        wish.moves = 1;
        return true;
    }
    let Some(pool) = tables.pool(flow.pool()) else { return false };
    wish.client = *key;
    failover::another(tables, &pool, flow, 0, wish)
}

/// Whether the member of this client's entry has left its pool, or is down. One that is only drained has
/// its place there still. Also the set of members that was looked at.
#[inline(always)]
fn has_lost_member<T: Tables>(tables: &T, flow: &Flow) -> (bool, u32) {
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

/// Whether the member of this client's entry, which has not answered, cannot be reached.
#[inline(always)]
fn is_unreachable(flow: &Flow) -> bool {
    let phase = flow.phase.get();
    phase.contains(PhaseBits::UNREACHABLE) && !phase.contains(PhaseBits::ACCEPTED)
}

/// Takes note of an error that says that the member of this client's entry cannot be reached. Once it has
/// answered, that is for its monitor to find out.
#[inline(always)]
pub(super) fn unreachable<T: Tables>(tables: &T, client: &Flow) {
    let phase = client.phase.get();
    if phase.contains(PhaseBits::ACCEPTED) || phase.is_closed() {
        return;
    }
    let Some(pool) = tables.pool(client.pool()) else { return };
    let before = client.phase.record(tables, PhaseBits::UNREACHABLE).before;
    if !before.contains(PhaseBits::UNREACHABLE) {
        eject::failed(tables, &pool, client, tables.now());
    }
}

/// Takes note of a datagram that goes along its flow.
#[inline(always)]
pub(super) fn follow<T: Tables>(
    tables: &T,
    key: &FlowKey,
    flow: &Flow,
    datagram: &Segment,
) -> Direction {
    let direction = pass_along(tables, flow, datagram);
    if direction == Direction::ToClient && flow.phase.get() == PhaseBits::NONE {
        answer(tables, key, flow);
    }
    direction
}

/// The same, but for what only a member's first answer means. Enough for whatever may ask for a member.
#[inline(always)]
pub(super) fn pass_along<T: Tables>(tables: &T, flow: &Flow, datagram: &Segment) -> Direction {
    flow.pass(tables, tables.now(), datagram.payload);
    let direction = flow.direction();
    tables.account(flow.member, direction, datagram.payload);
    direction
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
    eject::accepted(tables, &client);
    let elapsed = tables.exact_now().saturating_sub(client.opened);
    client.accept(elapsed);
    schedule::accepted(tables, client.pool(), client.member, elapsed);
    waiting::leave(tables, &client);
    // These facts end nothing.
    client.phase.record(tables, PhaseBits::ACCEPTED.with(PhaseBits::COMPLETED));
}
