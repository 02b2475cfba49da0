//! Packets of a known connection.

use crate::{
    counter::Event,
    forward::Path,
    schedule,
    state::{Flow, FlowKey, PhaseBits},
    tables::Tables,
    verdict::Direction,
    wire::{Segment, tcp::Flags},
};

/// Whether the segment opens a new connection on the client port of one that is ending.
///
/// On a connection that is not ending, a SYN is a retransmission or an old duplicate and
/// goes to the member, which knows what to do (RFC 9293 section 3.10.7.4, RFC 5961).
#[inline(always)]
pub(super) fn is_superseded(flow: &Flow, segment: &Segment) -> bool {
    segment.flags.opens() && flow.from_member == 0 && flow.phase.get().is_closing()
}

/// Removes a connection whose client port is wanted for a new one.
#[inline(always)]
pub(super) fn retire<T: Tables>(tables: &T, key: &FlowKey, flow: &Flow) {
    let peer = flow.peer_key(key);
    record(tables, flow, PhaseBits::SUPERSEDED);
    tables.remove_flow(&peer);
    tables.remove_flow(key);
    tables.count(Event::Reopened.into());
}

/// Sends a segment along its connection.
#[inline(always)]
pub(super) fn follow<T: Tables>(tables: &T, key: &FlowKey, flow: &Flow, segment: &Segment) -> Path {
    flow.touch(tables, tables.now(), segment.payload);
    let direction = if flow.from_member == 0 {
        track_client(tables, flow, segment.flags);
        Direction::ToMember
    } else {
        track_member(tables, key, flow, segment.flags);
        Direction::ToClient
    };
    tables.account(flow.member, direction, segment.payload);
    Path { rewrite: flow.rewrite, direction }
}

/// Moves the phase by a client's segment.
#[inline(always)]
fn track_client<T: Tables>(tables: &T, flow: &Flow, flags: Flags) {
    let mut facts = PhaseBits::NONE;
    if flags.rst() {
        facts = PhaseBits::RESET;
    } else {
        if flags.fin() {
            facts = facts.with(PhaseBits::CLIENT_FIN);
        }
        if flags.ack() && flow.phase.get().contains(PhaseBits::ACCEPTED) {
            facts = facts.with(PhaseBits::COMPLETED);
        }
    }
    record(tables, flow, facts);
}

/// Moves the phase by a member's segment. Only segments that can move it look up the
/// client's entry, where the phase lives.
#[inline(always)]
fn track_member<T: Tables>(tables: &T, key: &FlowKey, flow: &Flow, flags: Flags) {
    let facts = if flags.rst() {
        PhaseBits::RESET
    } else if flags.fin() {
        PhaseBits::MEMBER_FIN
    } else if flags.accepts() {
        PhaseBits::ACCEPTED
    } else {
        return;
    };
    if let Some(client) = tables.flow(&flow.peer_key(key)) {
        // A member's entry can outlive its connection; the client's port may serve another one.
        if client.answers(key) {
            let first = facts.contains(PhaseBits::ACCEPTED)
                && !client.phase.get().contains(PhaseBits::ACCEPTED);
            if first {
                let elapsed = tables.exact_now().saturating_sub(client.opened);
                schedule::accepted(tables, client.pool, client.member, elapsed);
            }
            record(tables, &client, facts);
        }
    }
}

/// Records facts in the client's entry; whoever closes the connection takes it out of the count.
#[inline(always)]
fn record<T: Tables>(tables: &T, client: &Flow, facts: PhaseBits) {
    if client.phase.record(tables, facts).closed {
        schedule::closed(tables, client.pool, client.member);
        tables.count(Event::Closed.into());
    }
}
