//! Connections that their member did not accept go to another one, without the client hearing of it
//! (`retries` and `option redispatch` of the HAProxy configuration manual, section 4.2).

use crate::{
    forward::{direct, eject, known, open::Wish, udp, waiting},
    packet::Packet,
    state::{Flow, FlowKey, PhaseBits, Pool},
    tables::Tables,
    wire::{IcmpError, Segment, icmp},
};

/// How long a member may take to accept before a SYN that comes once more goes to another one, in
/// nanoseconds: half of the shortest time that clients wait (RFC 6298 section 2).
const PATIENCE: u64 = 500_000_000;

/// No sequence number.
const NOTHING: u64 = u64::MAX;

/// Whether a segment of a known connection may tell that the member does not accept. Most tell nothing
/// of the kind.
#[inline(always)]
pub(super) fn may_wish<T: Tables>(tables: &T, flow: &Flow, segment: &Segment) -> bool {
    if segment.is_udp() {
        return udp::may_wish(tables, flow);
    }
    if !flow.is_from_member() { segment.flags.opens() } else { segment.flags.rst() }
}

/// Whether a segment of a known connection tells that the member does not accept, and the connection
/// may have another one: that is then the wish.
#[inline(never)]
pub(super) fn wishes<T: Tables>(
    tables: &T,
    key: &FlowKey,
    flow: &Flow,
    segment: &Segment,
    wish: &mut Wish,
) -> bool {
    if !may_wish(tables, flow, segment) {
        return false;
    }
    if segment.is_udp() {
        return udp::wishes(tables, key, flow, wish);
    }
    if !flow.is_from_member() {
        wish.client = *key;
        return is_silent(tables, flow) && again(tables, flow, 1, wish);
    }
    wish.client = flow.peer_key(key);
    let Some(client) = tables.flow(&wish.client) else { return false };
    client.answers(key) && known::refuses(&client, segment) && again(tables, &client, 0, wish)
}

/// The same for an error that says that the member cannot be reached. A datagram that it is about could not
/// be sent once more.
#[inline(never)]
pub(super) fn wishes_by_error<P: Packet, T: Tables>(
    packet: &P,
    tables: &T,
    wish: &mut Wish,
) -> bool {
    let mut key = FlowKey { zone: tables.zone(), ..FlowKey::default() };
    let seq = quoted(packet, &mut key);
    if seq == NOTHING {
        return false;
    }
    let Some(flow) = tables.flow(&key) else { return false };
    wish.client = flow.peer_key(&key);
    let Some(client) = tables.flow(&wish.client) else { return false };
    let Some(place) = waiting::place(tables, &client) else { return false };
    // Somebody who has not seen the SYN does not know its number.
    flow.is_from_member()
        && seq == place.seq().get().into()
        && client.answers(&key)
        && client.phase.get() == PhaseBits::NONE
        && again(tables, &client, 0, wish)
}

/// The sequence number of the segment that an error is about, and where its answers come from and go to;
/// [`NOTHING`] if it does not say that somebody cannot be reached. Has the BPF stack for itself as long as
/// it reads.
#[inline(never)]
fn quoted<P: Packet>(packet: &P, answers: &mut FlowKey) -> u64 {
    let mut quoted = IcmpError::default();
    if !icmp::is_unreachable(packet) || quoted.read(packet).is_err() || quoted.is_udp() {
        return NOTHING;
    }
    (answers.tuple, answers.protocol) = (quoted.tuple.reversed(), quoted.protocol);
    quoted.seq.get().into()
}

/// Whether a client that asks once more does so because its member has not answered.
#[inline(always)]
fn is_silent<T: Tables>(tables: &T, client: &Flow) -> bool {
    let patience = if client.is_direct() { direct::PATIENCE } else { PATIENCE };
    client.phase.get() == PhaseBits::NONE && tables.now().saturating_sub(client.opened) >= patience
}

/// Holds it against the member, and wishes for another one if the connection, whose client the wish
/// names, may have one.
#[inline(always)]
fn again<T: Tables>(tables: &T, client: &Flow, silent: u32, wish: &mut Wish) -> bool {
    let Some(pool) = tables.pool(client.pool()) else { return false };
    eject::failed(tables, &pool, client, tables.now());
    // One that has ended wants no port, and least of all its own.
    !client.phase.get().is_closed() && another(tables, &pool, client, silent, wish)
}

/// Wishes for another member if the connection, whose client the wish names, may have one.
#[inline(always)]
pub(super) fn another<T: Tables>(
    tables: &T,
    pool: &Pool,
    client: &Flow,
    silent: u32,
    wish: &mut Wish,
) -> bool {
    let Some(place) = waiting::place(tables, client) else { return false };
    let tries = place.tries.get();
    if tries >= pool.retries {
        return false;
    }
    wish.avoid = place.failed.get().with(client.member);
    wish.tries = tries + 1;
    wish.silent = silent;
    true
}
