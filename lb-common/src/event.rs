//! Telling user space what happened to connections, if it listens.
//!
//! Where nobody does, a transition costs one look at a word. Nothing ever waits for a listener.

use crate::{
    addr::Tuple,
    state::{End, Event, Flow, FlowKey, Happening, NOBODY, PhaseBits, VipKey},
    tables::Tables,
};

/// A connection was given to a member. `nat` goes from the VIP to the member.
#[inline(always)]
pub fn opened<T: Tables>(tables: &T, key: &FlowKey, nat: &Tuple, pool: u32, member: u32) {
    if tables.listening() {
        let now = tables.now();
        let event = Event { opened: now, pool, member, nat: *nat, ..blank(key, now) };
        tables.emit(&Event { kind: Happening::Open.number(), ..event });
    }
}

/// A connection ended: to be called by whoever closed it
/// ([`Phase::record`](crate::state::Phase::record)), while both entries are there.
#[inline(always)]
pub fn closed<T: Tables>(tables: &T, key: &FlowKey, client: &Flow) {
    if tables.listening() {
        let event = story(tables, key, client);
        let reason = End::of(event.facts).number();
        tables.emit(&Event { kind: Happening::Close.number(), reason, ..event });
    }
}

/// A connection was given to another member than `previous`, of which `client` is the new entry.
#[inline(always)]
pub fn redispatched<T: Tables>(tables: &T, key: &FlowKey, client: &Flow, previous: u32) {
    if tables.listening() {
        let event = story(tables, key, client);
        tables.emit(&Event { kind: Happening::Redispatch.number(), previous, ..event });
    }
}

/// A listener refused a new connection; `reason` is the number of what says why.
#[inline(always)]
pub fn refused<T: Tables>(tables: &T, key: &FlowKey, reason: u32) {
    if tables.listening() {
        let listener = VipKey::new(key.tuple.dst, key.tuple.dport, key.zone, key.protocol);
        let Some(vip) = tables.vip(&listener) else { return };
        let now = tables.now();
        let event = Event { opened: now, pool: vip.pool, reason, ..blank(key, now) };
        tables.emit(&Event { kind: Happening::Refuse.number(), ..event });
    }
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
