//! Telling user space what happened to connections, if it listens.
//!
//! Where nobody does, a transition costs one look at a word. Nothing ever waits for a listener.
//!
//! The telling itself is never inlined, and makes the event where it will lie: one in the stack frame of a
//! decision would make the BPF verifier walk the rest of that decision once more for each place that
//! may have told one.

use crate::{
    addr::Tuple,
    ending,
    state::{End, Event, Flow, FlowKey, Happening, NOBODY, VipKey},
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
    let now = tables.exact_now();
    tables.emit(|event| {
        begin(event, Happening::Open, key, now);
        event.opened = now;
        event.pool = pool;
        event.member = member;
        event.nat = *nat;
    });
}

#[inline(never)]
fn tell_close<T: Tables>(tables: &T, key: &FlowKey, client: &Flow) {
    let now = tables.exact_now();
    tables.emit(|event| {
        begin(event, Happening::Close, key, now);
        story(tables, event, key, client);
        event.reason = End::of(event.facts).number();
    });
}

#[inline(never)]
fn tell_redispatch<T: Tables>(tables: &T, key: &FlowKey, client: &Flow, previous: u32) {
    let now = tables.exact_now();
    tables.emit(|event| {
        begin(event, Happening::Redispatch, key, now);
        story(tables, event, key, client);
        event.previous = previous;
    });
}

#[inline(never)]
fn tell_refusal<T: Tables>(tables: &T, key: &FlowKey, reason: u32) {
    let listener = VipKey::new(key.tuple.dst, key.tuple.dport, key.zone, key.protocol);
    let Some(vip) = tables.vip(&listener) else { return };
    let (now, pool) = (tables.exact_now(), vip.pool);
    tables.emit(|event| {
        begin(event, Happening::Refuse, key, now);
        event.opened = now;
        event.pool = pool;
        event.reason = reason;
    });
}

/// What every event has.
#[inline(always)]
fn begin(event: &mut Event, happening: Happening, key: &FlowKey, now: u64) {
    event.at = now;
    event.kind = happening.number();
    event.member = NOBODY;
    event.previous = NOBODY;
    event.client = key.tuple;
    event.zone = key.zone;
    event.protocol = key.protocol;
}

/// All that conntrack knows of a connection.
#[inline(always)]
fn story<T: Tables>(tables: &T, event: &mut Event, key: &FlowKey, client: &Flow) {
    if let Some(member) = ending::answers(tables, key, client) {
        event.bytes_out = member.payload.get();
    }
    event.opened = client.opened;
    event.accepted = client.accepted();
    event.bytes_in = client.payload.get();
    event.facts = client.phase.get();
    event.pool = client.pool();
    event.member = client.member;
    event.nat = client.rewrite.to;
}
