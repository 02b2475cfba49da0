//! Connections that open, or open once more at another member.

use zerocopy::FromZeros;

use crate::{
    addr::{Addr, Tuple},
    counter::Event,
    ending, event,
    forward::{
        Declined, Desk, admit, eject, failover, known, persist,
        reserve::{self, Goal},
        waiting,
    },
    packet::Packet,
    ports::Syn,
    schedule::{self, Ask, Avoid},
    state::{FlowKey, Mode, PhaseBits, Pool, Vip, VipKey},
    tables::{InsertError, Tables},
    verdict::{Direction, DropReason, PassReason, RefuseReason, Verdict},
    wire::{Outgoing, Segment},
};

/// A connection that wants a member.
#[derive(Default, FromZeros)]
pub(super) struct Wish {
    /// Key of the client's entry.
    pub(super) client: FlowKey,
    /// Members that did not accept it.
    pub(super) avoid: Avoid,
    /// How many that were; zero for a new connection.
    pub(super) tries: u32,
    /// What the client's port was used for before ([`Goal::former`]).
    pub(super) former: Tuple,
    /// Whether the last of them said nothing at all: zero or one.
    pub(super) silent: u32,
    /// Whether it is a UDP flow whose member is no more: zero or one.
    pub(super) moves: u32,
}

impl Wish {
    #[inline(always)]
    pub(super) const fn is_new(&self) -> bool {
        self.tries == 0 && self.moves == 0
    }

    /// Why a connection that is not new has another member.
    #[inline(always)]
    const fn why(&self) -> Event {
        if self.moves != 0 {
            Event::FlowMoved
        } else if self.silent != 0 {
            Event::RedispatchedSilent
        } else {
            Event::RedispatchedRefused
        }
    }
}

/// Why a wish was not granted.
pub(super) enum Unconnected {
    /// That becomes of the packet.
    Declined(Declined),
    /// The connection stays with the member that it has: there is no other, or another CPU was faster
    /// with a copy of the same packet.
    Stays,
}

impl From<Declined> for Unconnected {
    #[inline(always)]
    fn from(declined: Declined) -> Self {
        Self::Declined(declined)
    }
}

/// Why a segment of no known connection is left to the stack, if it asks no listener for one.
#[inline(always)]
pub(super) fn is_stray<T: Tables>(
    tables: &T,
    key: &FlowKey,
    segment: &Segment,
) -> Option<PassReason> {
    if !is_for_listener(tables, key) {
        return Some(PassReason::NotVip);
    }
    (!segment.opens()).then_some(PassReason::NoConnection)
}

/// Has the BPF stack for itself as long as it looks.
#[inline(never)]
fn is_for_listener<T: Tables>(tables: &T, client: &FlowKey) -> bool {
    tables.vip(&listener(client)).is_some()
}

/// Where a client's packets go.
#[inline(always)]
pub(super) const fn listener(client: &FlowKey) -> VipKey {
    VipKey::new(client.tuple.dst, client.tuple.dport, client.zone, client.protocol)
}

/// Whether a segment asks for a member, as a new connection or as one that has none yet.
#[inline(never)]
pub(super) fn wishes<P: Packet, T: Tables>(
    packet: &P,
    tables: &T,
    key: &FlowKey,
    segment: &Segment,
    wish: &mut Wish,
) -> bool {
    wish.client = *key;
    let Some(flow) = tables.flow(key) else { return true };
    if known::is_superseded(&flow, segment) {
        // Only a NAT port is worth having once more.
        if flow.mode() == Mode::Nat {
            wish.former = flow.rewrite.to;
        }
        ending::supersede(tables, key, &flow);
        return true;
    }
    waiting::renew(packet, tables, &flow, segment);
    failover::wishes(tables, key, &flow, segment, wish)
}

/// Gives the connection of the desk's wish to a member, and says on which path. The desk's segment is
/// what the packet holds; both become the client's SYN if they are not.
#[inline(always)]
pub(super) fn open<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    desk: &mut Desk,
) -> Result<(), Unconnected> {
    let is_new = desk.wish.is_new();
    let Some(vip) = tables.vip(&listener(&desk.wish.client)) else {
        return Err(if is_new { pass(PassReason::NotVip) } else { Unconnected::Stays });
    };
    if is_new {
        check(tables, &vip, &desk.wish, &desk.segment)?;
    }
    let Some(pool) = tables.pool(vip.pool) else {
        return Err(Err(DropReason::Inconsistent).into());
    };
    if is_new {
        admit::enter(tables, &vip, 0)?;
    }
    if let Err(why) = connect(packet, tables, desk, &vip, &pool) {
        if is_new {
            admit::leave(tables, &vip);
        } else if desk.wish.moves == 0 {
            return Err(Unconnected::Stays);
        }
        return Err(why);
    }
    if desk.segment.opens() || send_once_more(packet, tables, &desk.wish.client, &mut desk.segment)
    {
        return Ok(());
    }
    Err(Err(DropReason::Rewrite).into())
}

/// Counts the packet that opened the connection of the desk's goal, by whoever sends it on.
#[inline(always)]
pub(super) fn account<T: Tables>(tables: &T, desk: &Desk) {
    tables.account(desk.goal.slot.member, Direction::ToMember, desk.segment.payload);
}

/// Whether the listener takes new connections, and from this client.
#[inline(always)]
pub(super) fn check<T: Tables>(
    tables: &T,
    vip: &Vip,
    wish: &Wish,
    segment: &Segment,
) -> Result<(), Unconnected> {
    if !segment.opens() {
        return Err(pass(PassReason::NoConnection));
    }
    admit::check_client(tables, vip, wish.client.tuple.src)?;
    if vip.enabled == 0 {
        return Err(refuse(RefuseReason::Disabled).into());
    }
    Ok(())
}

/// Finds the member that the connection is to be given to; answers whether it is the one that the client
/// had before.
#[inline(always)]
pub(super) fn choose<T: Tables>(
    tables: &T,
    vip: &Vip,
    pool: &Pool,
    wish: &Wish,
    goal: &mut Goal,
) -> Result<bool, Unconnected> {
    let (tuple, now) = (&wish.client.tuple, tables.now());
    (goal.pool, goal.mode, goal.now) = (vip.pool, pool.mode(), now);
    if wish.tries == 0 && persist::recall(tables, vip, pool, tuple.src, goal) {
        return Ok(true);
    }
    let ask = Ask::new(tuple, now, wish.avoid);
    goal.slot = *schedule::pick(tables, vip.pool, pool, &ask).map_err(refuse)?;
    Ok(false)
}

/// Puts the SYN of a half-open connection into the place of the packet.
#[inline(never)]
fn send_once_more<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    key: &FlowKey,
    sent: &mut Segment,
) -> bool {
    let Some(client) = tables.flow(key) else { return false };
    let Some(place) = waiting::place(tables, &client) else { return false };
    let syn = Outgoing::syn(key.tuple, place.seq(), place.hops.get() as u8);
    syn.put(packet, Some(&place.options), sent).is_ok()
}

#[inline(always)]
fn connect<P: Packet, T: Tables>(
    packet: &P,
    tables: &T,
    desk: &mut Desk,
    vip: &Vip,
    pool: &Pool,
) -> Result<(), Unconnected> {
    let Desk { segment, wish, goal, path, .. } = desk;
    choose(tables, vip, pool, wish, goal)?;
    goal.former = wish.former;
    if wish.is_new() && !segment.is_udp() {
        goal.syn = Syn::of(packet, tables, segment);
    }
    reserve::source(tables, wish, pool, goal)?;
    let key = &wish.client;
    let (index, client, now) = (vip.pool, &key.tuple.src, goal.now);
    goal.ticket = waiting::ticket(tables);
    let Goal { slot, outgoing, mode, ticket, .. } = &*goal;
    path.rewrite.set(&key.tuple, outgoing);

    let before = if wish.is_new() { None } else { tables.flow(key) };
    if before.is_none() && !wish.is_new() {
        // It ended meanwhile, and nobody has counted it anew.
        reserve::give_back(tables, key, goal);
        return Err(Unconnected::Stays);
    }
    if let Some(before) = &before {
        // Exactly one packet moves a connection, however many say the same.
        if !before.phase.record(tables, PhaseBits::ABANDONED).closed {
            reserve::give_back(tables, key, goal);
            return Err(Unconnected::Stays);
        }
        ending::forget_answers(tables, key, before);
    }
    let placed = tables.put_flow(key, before.is_some(), |flow| {
        flow.rewrite = path.rewrite;
        flow.begin(slot.member, index, *mode, false, now);
        flow.opened = tables.exact_now();
        flow.ticket = *ticket;
        if segment.is_udp() {
            flow.payload.set(segment.payload.into());
            flow.next.set(pool.generation);
        } else if let Some(before) = before.as_ref().filter(|_| !segment.opens()) {
            // What the packet becomes is the SYN before.
            flow.next.set(before.next.get());
        } else {
            // Data in a SYN (TCP Fast Open, RFC 7413).
            flow.payload.set(segment.payload.into());
            flow.next.set(segment.end().get());
        }
    });
    if let Err(error) = placed {
        reserve::give_back(tables, key, goal);
        if let Some(before) = &before {
            // Lost between two members: no memory for the entry that replaces this one.
            ending::conclude(tables, key, before, Event::Closed);
        }
        return Err(match error {
            InsertError::Full => refuse(RefuseReason::TableFull).into(),
            InsertError::Exists => Unconnected::Stays,
        });
    }
    waiting::make_room(tables, *ticket);
    match &before {
        Some(before) => {
            if wish.moves != 0 {
                waiting::leave(tables, before);
                waiting::enter(packet, tables, *ticket, key, segment);
            } else {
                waiting::follow(tables, before, *ticket, wish);
            }
            schedule::moved(tables, index, before.member, slot.member);
            tables.count(wish.why().into());
            if wish.moves == 0 {
                note_redispatch(tables, index);
            }
            if let Some(after) = tables.flow(key) {
                event::redispatched(tables, key, &after, before.member);
            }
        }
        None => {
            waiting::enter(packet, tables, *ticket, key, segment);
            schedule::opened(tables, index, slot.member);
            tables.count(Event::Opened.into());
            event::opened(tables, key, outgoing, index, slot.member);
        }
    }
    settle(tables, vip, pool, client, goal);
    path.direction = Direction::ToMember;
    path.is_direct = *mode == Mode::Dsr;
    Ok(())
}

/// Takes note of who has a connection now. Has the BPF stack for itself as long as it does.
#[inline(never)]
fn settle<T: Tables>(tables: &T, vip: &Vip, pool: &Pool, client: &Addr, goal: &Goal) {
    let member = goal.slot.member;
    eject::chosen(tables, goal.pool, pool, member, goal.now);
    persist::remember(tables, vip, *client, member, goal.now);
    tables.account_connection(member);
}

/// Counts a connection of the pool that its member did not accept and another one has now.
#[inline(never)]
fn note_redispatch<T: Tables>(tables: &T, pool: u32) {
    if let Some(cursor) = tables.cursor(pool) {
        tables.add64(&cursor.redispatched, 1);
    }
}

/// Counts for the pool of its listener that a connection of the client with this key did not come to be: it was
/// refused, or its client is `denied`.
#[inline(never)]
pub(super) fn note_refusal<T: Tables>(tables: &T, client: &FlowKey, denied: bool) {
    if let Some(vip) = tables.vip(&listener(client))
        && let Some(cursor) = tables.cursor(vip.pool)
    {
        tables.add64(if denied { &cursor.denied } else { &cursor.refused }, 1);
    }
}

#[inline(always)]
fn pass(reason: PassReason) -> Unconnected {
    Unconnected::Declined(Ok(Verdict::Pass(reason)))
}

#[inline(always)]
pub(super) fn refuse(reason: RefuseReason) -> Declined {
    Ok(Verdict::Refuse(reason))
}
