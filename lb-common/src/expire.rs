//! When a connection is over, and when its conntrack entries may go.

use crate::{
    addr::Tuple,
    counter::Event,
    ending,
    packet::{EditError, Outlet},
    state::{Flow, FlowKey, PhaseBits, Pool, State},
    tables::Tables,
    wire::{Outgoing, Segment, Seq, ipv4},
};

/// The member's entry is there before the client's: younger than this, in nanoseconds,
/// it is never taken for an orphan.
const GRACE: u64 = 1_000_000_000;

/// How long a connection that ended with a RST is kept without a packet, in nanoseconds: neither end
/// waits for late segments, and what still comes the stack answers with RST.
const LINGER: u64 = 2_000_000_000;

/// Ends a connection whose time has come, or removes an entry that is no longer of use. Safe beside
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
        age(flow.opened, now) >= GRACE && is_orphan(tables, key, flow)
    } else if flow.phase.get().is_closed() {
        is_forgotten(tables, key, flow, now)
    } else {
        end(tables, outlet, key, flow, now)?;
        false
    };
    if gone {
        tables.remove_flow(key);
        tables.count(Event::Reaped.into());
    }
    Ok(())
}

/// Nanoseconds since `then`. A packet of another CPU may be newer than `now`; that is no age.
#[inline(always)]
const fn age(then: u64, now: u64) -> u64 {
    now.saturating_sub(then)
}

/// Ends a connection whose timer has run out, and tells both ends if there is a way to.
#[inline(always)]
fn end<T: Tables, O: Outlet>(
    tables: &T,
    outlet: &mut O,
    key: &FlowKey,
    client: &Flow,
    now: u64,
) -> Result<(), EditError> {
    let pool = tables.pool(client.pool());
    let member = tables.flow(&client.peer_key(key));
    let is_udp = key.protocol == ipv4::UDP;
    let Some(cause) = overdue(pool.as_deref(), client, member.as_deref(), now, is_udp) else {
        return Ok(());
    };
    // UDP has nothing to tell it by.
    if let Some(member) = member.as_ref().filter(|_| !is_udp) {
        // As from the member: what the client expects next. A client that waits for its SYN-ACK wants
        // to see its SYN acknowledged.
        let (seq, ack) = (client.acked(), client.next());
        reset(tables, outlet, &client.rewrite.to.reversed(), seq.get(), ack.get())?;
        // As from the client. A member that has not answered has no numbers; the SYN's will do.
        let accepted = client.phase.get().contains(PhaseBits::ACCEPTED);
        let seq = if accepted { member.acked() } else { client.next() };
        reset(tables, outlet, &key.tuple, seq.get(), member.next().get())?;
    }
    ending::record(tables, key, client, cause, Event::Expired);
    Ok(())
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
    now: u64,
    is_udp: bool,
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
        // As long as its client sends, and there is room, a flow that nobody answers keeps its member.
        State::Opening if is_udp => (idle >= timers.opening).then_some(PhaseBits::EXPIRED),
        State::Opening => (age(client.opened, now) >= timers.opening).then_some(PhaseBits::EXPIRED),
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
    let member = tables.flow(&client.peer_key(key));
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

/// Whether a member's entry has lost its connection: the client's entry is gone, or has
/// been taken over by a newer connection with another NAT port.
#[inline(always)]
fn is_orphan<T: Tables>(tables: &T, key: &FlowKey, flow: &Flow) -> bool {
    match tables.flow(&flow.peer_key(key)) {
        Some(client) => !client.answers(key),
        None => true,
    }
}
