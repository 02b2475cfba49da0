//! Half-open connections: who has a place, and who has to leave.

use crate::{
    counter::Event,
    ending,
    forward::open::Wish,
    packet::Packet,
    schedule::Avoid,
    state::{Flow, FlowKey, HalfOpen, PhaseBits, TICKETS},
    tables::Tables,
    wire::Segment,
};

/// A ticket for a connection; zero, which gets no place, when there is none to be had.
#[inline(always)]
pub(super) fn ticket<T: Tables>(tables: &T) -> u32 {
    match tables.cursor(TICKETS) {
        Some(cursor) => (tables.add64(&cursor.tickets, 1) + 1) as u32,
        None => 0,
    }
}

/// Makes room for the connection that will have this ticket: whoever had its place before leaves.
#[inline(never)]
pub(super) fn make_room<T: Tables>(tables: &T, ticket: u32) {
    let Some(place) = tables.half_open(ticket) else { return };
    let before = place.ticket.get();
    if before != 0 {
        crowd_out(tables, &place.client.get(), before);
    }
}

/// Gives the connection that `segment` opened its place.
#[inline(never)]
pub(super) fn enter<P: Packet, T: Tables>(
    packet: &P,
    tables: &T,
    ticket: u32,
    client: &FlowKey,
    segment: &Segment,
) {
    let Some(place) = tables.half_open(ticket) else { return };
    // A datagram is not sent once more.
    if !segment.is_udp() {
        place.options.take(packet, segment.l4);
        place.hops.set(segment.hops.into());
    }
    place.give(ticket, client, segment.seq, 0, Avoid::NONE);
}

/// Takes note of a SYN of the client's with another number than the last one, before the handshake is complete: the client
/// has begun anew from the same port, and the member will answer that.
#[inline(never)]
pub(super) fn renew<P: Packet, T: Tables>(
    packet: &P,
    tables: &T,
    client: &Flow,
    segment: &Segment,
) {
    if !segment.flags.opens() || client.is_from_member() {
        return;
    }
    if let Some(place) = place(tables, client)
        && place.seq() != segment.seq
    {
        place.options.take(packet, segment.l4);
        place.hops.set(segment.hops.into());
        place.seq.set(segment.seq.get());
        client.next.set(segment.end().get());
    }
}

/// Gives a connection that moves to another member a new place with what the old one holds.
#[inline(never)]
pub(super) fn follow<T: Tables>(tables: &T, before: &Flow, ticket: u32, wish: &Wish) {
    let Some(old) = place(tables, before) else { return };
    old.ticket.set(0);
    let Some(new) = tables.half_open(ticket) else { return };
    new.options.copy(&old.options);
    new.hops.set(old.hops.get());
    new.give(ticket, &wish.client, old.seq(), wish.tries, wish.avoid);
}

/// The place of a connection, if it still has one.
#[inline(always)]
pub(super) fn place<T: Tables>(tables: &T, client: &Flow) -> Option<T::Ref<HalfOpen>> {
    let place = tables.half_open(client.ticket)?;
    (client.ticket != 0 && place.ticket.get() == client.ticket).then_some(place)
}

/// Gives up the place of a connection whose handshake is complete, if it has one.
#[inline(always)]
pub(super) fn leave<T: Tables>(tables: &T, client: &Flow) {
    if let Some(place) = place(tables, client) {
        place.ticket.set(0);
    }
}

/// Removes the connection that had a ticket if its handshake was never completed, and ends it if it has
/// not ended: what is over would linger, and a flood of SYNs and RSTs would fill conntrack with it.
#[inline(always)]
fn crowd_out<T: Tables>(tables: &T, key: &FlowKey, ticket: u32) {
    let Some(client) = tables.flow(key) else { return };
    let completed = client.phase.get().contains(PhaseBits::COMPLETED);
    if client.ticket != ticket || client.is_from_member() || completed {
        return;
    }
    ending::cut(tables, key, &client, PhaseBits::CROWDED_OUT, Event::CrowdedOut);
}
