//! All state of a datapath at one moment.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use lb_common::addr::{Addr, Tuple};
use lb_common::nat::Rewrite;
use lb_common::state::{
    Flow, FragmentKey, Fragmented, MemberStats, Mode, PhaseBits, Sticky, StickyKey,
};

use super::{Age, Port};

/// How many member indexes are looked at.
pub(super) const MEMBERS: u32 = 12;

/// One direction of a connection: source and destination of its packets as they come in.
pub type Direction = (SocketAddr, SocketAddr);

/// A direction, and the number of its protocol.
pub type Way = (Direction, u8);

/// Everything a datapath remembers, the place in round robin aside, which no packet reads twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Every counter, in the order of the numbers.
    pub counters: Vec<(&'static str, u64)>,
    /// Members by index.
    pub members: Vec<Member>,
    /// Connections that the listener counts.
    pub active: u32,
    /// Until when it is spent what the pool's connections may be told of errors.
    pub budget: Age,
    /// Clients and the members they had.
    pub sticky: BTreeMap<IpAddr, Stuck>,
    /// Conntrack.
    pub flows: BTreeMap<Way, Entry>,
    /// Datagrams that come in fragments, by the way and identification that they come with.
    pub fragments: BTreeMap<(Way, u32), Fragments>,
    /// NAT ports that are taken, by the way of the answers.
    pub ports: BTreeMap<Way, Port>,
}

/// A member's load and statistics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Connections counted.
    pub active: u32,
    /// When that last changed, in the pool's own time.
    pub stamp: u64,
    /// Connections in a row that it did not accept.
    pub failures: u32,
    /// Until when it is ejected.
    pub out: Age,
    /// What it has done.
    pub stats: MemberStats,
}

/// The member that a client had; ages instead of time stamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// Index of the member.
    pub member: u32,
    /// Which of the members of that index.
    pub incarnation: u32,
    /// When the client came to it.
    pub since: Age,
    /// When its last connection was opened.
    pub used: Age,
}

impl Stuck {
    /// An entry of the table as the snapshot has it.
    pub(super) fn entry(key: &StickyKey, sticky: &Sticky) -> (IpAddr, Self) {
        let Sticky { member, incarnation, since, used } = sticky;
        let (since, used) = (Age::of(*since), Age::of(used.get()));
        let stuck = Self { member: *member, incarnation: *incarnation, since, used };
        (key.client.into(), stuck)
    }
}

/// A datagram whose fragments are forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragments {
    /// The identification that they go on with.
    pub id: u32,
    /// Until when.
    pub until: Age,
}

impl Fragments {
    /// An entry of the table as the snapshot has it.
    pub(super) fn entry(key: &FragmentKey, known: &Fragmented) -> ((Way, u32), Self) {
        let fragments = Self { id: known.id, until: Age::of(known.until) };
        let flow = known.flow(key);
        (((direction(&flow.tuple), flow.protocol), key.id), fragments)
    }
}

/// A conntrack entry; ages instead of time stamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// How packets are rewritten.
    pub rewrite: Rewrite,
    /// Index of the member.
    pub member: u32,
    /// Index of the pool.
    pub pool: u32,
    /// The mode of the connection.
    pub mode: Mode,
    /// Whether it is the member's entry.
    pub from_member: bool,
    /// What is known of the connection.
    pub phase: PhaseBits,
    /// Payload bytes that passed.
    pub payload: u64,
    /// When the last packet passed.
    pub seen: Age,
    /// When something new last passed.
    pub news: Age,
    /// The sequence number after everything sent; in the client's entry of a UDP flow the set of members that was
    /// found to have its own.
    pub next: u32,
    /// What this end expects next.
    pub acked: u32,
    /// When the connection opened.
    pub opened: Age,
    /// The client's latest timestamp after it has closed.
    pub stamp: u32,
}

impl From<&Flow> for Entry {
    fn from(flow: &Flow) -> Self {
        Self {
            rewrite: flow.rewrite,
            member: flow.member,
            pool: flow.pool(),
            mode: flow.mode(),
            from_member: flow.is_from_member(),
            phase: flow.phase.get(),
            payload: flow.payload.get(),
            seen: Age::of(flow.last_seen.get()),
            news: Age::of(flow.last_news.get()),
            next: flow.next.get(),
            acked: flow.acked.get(),
            opened: Age::of(flow.opened),
            stamp: flow.stamp.get(),
        }
    }
}

/// Source and destination of a tuple.
pub(super) fn direction(tuple: &Tuple) -> Direction {
    let socket = |address: Addr, port| SocketAddr::new(address.into(), port);
    (socket(tuple.src, tuple.sport.get()), socket(tuple.dst, tuple.dport.get()))
}
