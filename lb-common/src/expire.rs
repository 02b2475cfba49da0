//! When a connection is over, and when its conntrack entries may go.

use crate::{
    addr::Tuple,
    counter::Event,
    ending,
    packet::{EditError, Outlet},
    ports,
    state::{Flow, FlowKey, PhaseBits, Pool, State},
    tables::Tables,
    wire::{Outgoing, Segment, Seq, ipv4},
};

/// The member's entry is there before the client's: younger than this, in nanoseconds,
/// it is never taken for an orphan.
const GRACE: u64 = 1_000_000_000;

/// How long a member's entry without a client's may have a port that nobody lays to rest, in nanoseconds:
/// whoever is about to does so at once.
const LOST: u64 = 60_000_000_000;

/// How long a connection that ended with a RST is kept without a packet, in nanoseconds: neither end
/// waits for late segments, and what still comes the stack answers with RST.
const LINGER: u64 = 2_000_000_000;

/// Ends a connection whose time has come, or whose member's has, or removes an entry that is no longer of use. Safe beside
/// packets of the same connection.
///
/// A call removes no entry but the given one, so it can be made while walking the table:
/// the client's entry goes when the connection has been over for long enough, the member's when the
/// client's is gone.
///
/// # Errors
/// When a RST cannot be sent now; the connection is then left as it is, for the next walk.
#[inline(always)]
pub fn expire<T: Tables, O: Outlet>(
    tables: &T,
    outlet: &mut O,
    key: &FlowKey,
    flow: &Flow,
    now: u64,
) -> Result<(), EditError> {
    let gone = if flow.is_from_member() {
        age(flow.opened, now) >= GRACE
            && is_orphan(tables, key, flow)
            && leaves(tables, key, flow, now)
    } else if flow.phase.get().is_closed() {
        let forgotten = is_forgotten(tables, key, flow, now);
        if forgotten {
            tables.remove_flow(key);
        }
        forgotten
    } else if key.protocol == ipv4::UDP {
        end_flow(tables, key, flow, now);
        false
    } else {
        end(tables, outlet, key, flow, now)?;
        false
    };
    if gone {
        tables.count(Event::Reaped.into());
    }
    Ok(())
}

/// Nanoseconds since `then`. A packet of another CPU may be newer than `now`; that is no age.
#[inline(always)]
const fn age(then: u64, now: u64) -> u64 {
    now.saturating_sub(then)
}

/// Ends a connection whose time has come, and tells both ends.
#[inline(always)]
fn end<T: Tables, O: Outlet>(
    tables: &T,
    outlet: &mut O,
    key: &FlowKey,
    client: &Flow,
    now: u64,
) -> Result<(), EditError> {
    let member = ending::answers(tables, key, client);
    let Some((cause, how)) = due(tables, client, member.as_deref(), client.opened, now) else {
        return Ok(());
    };
    if client.is_direct() || member.is_some() {
        // As from the member: what the client expects next. A client that waits for its SYN-ACK wants
        // to see its SYN acknowledged.
        let from = if client.is_direct() { key.tuple } else { client.rewrite.to };
        reset(tables, outlet, &from.reversed(), client.acked().get(), client.next().get())?;
        // As from the client. A member that has not answered has no numbers; the SYN's will do.
        let (seq, ack) = match &member {
            Some(member) if client.phase.get().contains(PhaseBits::ACCEPTED) => {
                (member.acked(), member.next())
            }
            Some(member) => (client.next(), member.next()),
            // One that answers past the node: what the client has told of it.
            None => (client.next(), client.acked()),
        };
        reset(tables, outlet, &key.tuple, seq.get(), ack.get())?;
    }
    ending::record(tables, key, client, cause, how);
    Ok(())
}

/// Ends a UDP flow whose time has come; there is no way to tell anybody.
#[inline(never)]
fn end_flow<T: Tables>(tables: &T, key: &FlowKey, client: &Flow, now: u64) {
    let member = tables.flow(&client.peer_key(key));
    // As long as its client sends, and there is room, a flow that nobody answers keeps its member.
    let asked = latest(client, member.as_deref(), |flow| flow.last_seen.get());
    if let Some((cause, how)) = due(tables, client, member.as_deref(), asked, now) {
        ending::record(tables, key, client, cause, how);
    }
}

/// What ends the connection now, and what that counts as: its member is to have none any more, or a timer has run
/// out. That of a connection that is opening runs since `asked`.
#[inline(always)]
fn due<T: Tables>(
    tables: &T,
    client: &Flow,
    member: Option<&Flow>,
    asked: u64,
    now: u64,
) -> Option<(PhaseBits, Event)> {
    let drained = drained(tables, client, now);
    if drained != PhaseBits::NONE {
        let was_marked = drained.contains(PhaseBits::MARKED_DOWN);
        return Some((drained, if was_marked { Event::MarkedDown } else { Event::Drained }));
    }
    let pool = tables.pool(client.pool());
    Some((overdue(pool.as_deref(), client, member, asked, now)?, Event::Expired))
}

/// The fact that ends the connection because its member is to have none any more; none if it goes on.
#[inline(always)]
fn drained<T: Tables>(tables: &T, client: &Flow, now: u64) -> PhaseBits {
    match tables.drain(client.member) {
        Some(drain) => drain.fact(client.opened, now),
        None => PhaseBits::NONE,
    }
}

/// Sends a RST with these ends and numbers.
#[inline(always)]
fn reset<T: Tables, O: Outlet>(
    tables: &T,
    outlet: &mut O,
    tuple: &Tuple,
    seq: u32,
    ack: u32,
) -> Result<(), EditError> {
    if !put_reset(outlet, tuple, seq, ack) {
        return Err(EditError);
    }
    tables.count(Event::ResetSent.into());
    Ok(())
}

/// Has the BPF stack for itself as long as it writes.
#[inline(never)]
fn put_reset<O: Outlet>(outlet: &mut O, tuple: &Tuple, seq: u32, ack: u32) -> bool {
    let reset = Outgoing::reset(*tuple, Seq::new(seq), Seq::new(ack));
    reset.put(outlet.packet(), None, &mut Segment::default()).is_ok() && outlet.deliver().is_ok()
}

/// What ends the connection now, if anything does.
#[inline(always)]
fn overdue(
    pool: Option<&Pool>,
    client: &Flow,
    member: Option<&Flow>,
    asked: u64,
    now: u64,
) -> Option<PhaseBits> {
    // Without its pool a connection has no time left.
    let Some(pool) = pool else { return Some(PhaseBits::EXPIRED) };
    let timers = &pool.timers;
    let idle = if pool.keepalive_counts == 0 {
        age(latest(client, member, |flow| flow.last_news.get()), now)
    } else {
        age(latest(client, member, |flow| flow.last_seen.get()), now)
    };
    match client.phase.get().state() {
        State::Opening => (age(asked, now) >= timers.opening).then_some(PhaseBits::EXPIRED),
        State::Established if idle >= timers.client && timers.client <= timers.server => {
            Some(PhaseBits::EXPIRED)
        }
        State::Established => {
            (idle >= timers.server).then_some(PhaseBits::EXPIRED.with(PhaseBits::SERVER_IDLE))
        }
        State::Closing => (idle >= timers.closing).then_some(PhaseBits::EXPIRED),
        State::Closed => None,
    }
}

/// Whether a connection that is over need not be known any longer. A flow has no late segments that belonged
/// to nothing else.
#[inline(always)]
fn is_forgotten<T: Tables>(tables: &T, key: &FlowKey, client: &Flow, now: u64) -> bool {
    if key.protocol == ipv4::UDP {
        return true;
    }
    let member = ending::answers(tables, key, client);
    let seen = latest(client, member.as_deref(), |flow| flow.last_seen.get());
    let limit = match tables.pool(client.pool()) {
        Some(pool) if client.phase.get().is_abrupt() => LINGER.min(pool.timers.closed),
        Some(pool) => pool.timers.closed,
        None => 0,
    };
    age(seen, now) >= limit
}

#[inline(always)]
fn latest(client: &Flow, member: Option<&Flow>, time: impl Fn(&Flow) -> u64) -> u64 {
    let theirs = match member {
        Some(member) => time(member),
        None => 0,
    };
    time(client).max(theirs)
}

/// Removes a member's entry that has lost its connection, and frees its port, unless the member may not
/// be done with that. Returns whether it is gone.
#[inline(always)]
fn leaves<T: Tables>(tables: &T, key: &FlowKey, flow: &Flow, now: u64) -> bool {
    let idle = age(flow.last_seen.get(), now);
    // Only one whose client came again has not waited together with its client's entry.
    if flow.is_left_behind() && idle < tables.pool(flow.pool()).map_or(0, |pool| pool.timers.closed)
    {
        return false;
    }
    let gone = ports::vacate(tables, key, true);
    if !gone && idle >= LOST {
        // Two CPUs were at odds about the client's entry, and nobody laid the port to rest.
        ports::release(tables, key);
    }
    gone || idle >= LOST
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
