//! Telling user space what happened to connections, if it listens.
//!
//! Where nobody does, a transition costs one look at a word. Nothing ever waits for a listener.
//!
//! The telling itself is never inlined, and makes the event where it will lie: one in the stack frame of a
//! decision would make the BPF verifier walk the rest of that decision once more for each place that
//! may have told one.

use crate::{
    addr::Tuple,
    state::{End, Event, Flow, FlowKey, Happening, NOBODY, PhaseBits, VipKey},
    tables::Tables,
};

/// A connection was given to a member. `nat` goes from the VIP to the member.
#[inline(always)]
pub fn opened<T: Tables>(tables: &T, key: &FlowKey, nat: &Tuple, pool: u32, member: u32) {
    if tables.listening() {
        tell_open(tables, key, nat, pool, member);
    }
}

/// A connection ended: to be called by whoever closed it
/// ([`Phase::record`](crate::state::Phase::record)), while both entries are there.
#[inline(always)]
pub fn closed<T: Tables>(tables: &T, key: &FlowKey, client: &Flow) {
    if tables.listening() {
        tell_close(tables, key, client);
    }
}

/// A connection was given to another member than `previous`, of which `client` is the new entry.
#[inline(always)]
pub fn redispatched<T: Tables>(tables: &T, key: &FlowKey, client: &Flow, previous: u32) {
    if tables.listening() {
        tell_redispatch(tables, key, client, previous);
    }
}

/// A listener refused a new connection; `reason` is the number of what says why.
#[inline(always)]
pub fn refused<T: Tables>(tables: &T, key: &FlowKey, reason: u32) {
    if tables.listening() {
        tell_refusal(tables, key, reason);
    }
}

#[inline(never)]
fn tell_open<T: Tables>(tables: &T, key: &FlowKey, nat: &Tuple, pool: u32, member: u32) {
    let now = tables.now();
    let kind = Happening::Open.number();
    tables.emit(|| Event { opened: now, kind, pool, member, nat: *nat, ..blank(key, now) });
}

#[inline(never)]
fn tell_close<T: Tables>(tables: &T, key: &FlowKey, client: &Flow) {
    let (kind, facts) = (Happening::Close.number(), client.phase.get());
    let reason = End::of(facts).number();
    tables.emit(|| Event { kind, reason, facts, ..story(tables, key, client) });
}

#[inline(never)]
fn tell_redispatch<T: Tables>(tables: &T, key: &FlowKey, client: &Flow, previous: u32) {
    let kind = Happening::Redispatch.number();
    tables.emit(|| Event { kind, previous, ..story(tables, key, client) });
}

#[inline(never)]
fn tell_refusal<T: Tables>(tables: &T, key: &FlowKey, reason: u32) {
    let listener = VipKey::new(key.tuple.dst, key.tuple.dport, key.zone, key.protocol);
    let Some(vip) = tables.vip(&listener) else { return };
    let (now, pool) = (tables.now(), vip.pool);
    let kind = Happening::Refuse.number();
    tables.emit(|| Event { opened: now, kind, pool, reason, ..blank(key, now) });
}

/// All that conntrack knows of a connection.
#[inline(always)]
fn story<T: Tables>(tables: &T, key: &FlowKey, client: &Flow) -> Event {
    let bytes_out = match tables.flow(&client.peer_key(key)) {
        Some(member) => member.payload.get(),
        None => 0,
    };
    Event {
        opened: client.opened,
        accepted: client.accepted.get(),
        bytes_in: client.payload.get(),
        bytes_out,
        facts: client.phase.get(),
        pool: client.pool,
        member: client.member,
        nat: client.rewrite.to,
        ..blank(key, tables.now())
    }
}

#[inline(always)]
const fn blank(key: &FlowKey, now: u64) -> Event {
    Event {
        at: now,
        opened: 0,
        accepted: 0,
        bytes_in: 0,
        bytes_out: 0,
        kind: 0,
        reason: 0,
        facts: PhaseBits::NONE,
        pool: 0,
        member: NOBODY,
        previous: NOBODY,
        client: key.tuple,
        nat: Tuple::NONE,
        zone: key.zone,
        protocol: key.protocol,
        reserved: [0; _],
    }
}
