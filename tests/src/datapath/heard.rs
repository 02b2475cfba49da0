//! Events as tests compare them: without what depends on the clock.

use lb_common::state::{Event, PhaseBits};

use super::snapshot::direction;
use super::{Age, Direction};

/// An event; ages instead of time stamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// What it is about.
    pub kind: u32,
    /// Why.
    pub reason: u32,
    /// What was known of the connection.
    pub facts: PhaseBits,
    /// Number of the protocol.
    pub protocol: u8,
    /// Index of the pool.
    pub pool: u32,
    /// Index of the member.
    pub member: u32,
    /// Index of the member before.
    pub previous: u32,
    /// From the client to the VIP.
    pub client: Direction,
    /// From the VIP to the member.
    pub nat: Direction,
    /// Payload of the client.
    pub bytes_in: u64,
    /// Payload of the member.
    pub bytes_out: u64,
    /// When it happened, when the connection opened, and when the member accepted.
    pub times: (Age, Age, Option<Age>),
}

impl From<&Event> for Heard {
    fn from(event: &Event) -> Self {
        assert_eq!((event.zone, event.reserved), (0, [0; _]), "{event:?}");
        let accepted = (event.accepted != 0).then(|| Age::of(event.accepted));
        Self {
            kind: event.kind,
            reason: event.reason,
            facts: event.facts,
            protocol: event.protocol,
            pool: event.pool,
            member: event.member,
            previous: event.previous,
            client: direction(&event.client),
            nat: direction(&event.nat),
            bytes_in: event.bytes_in,
            bytes_out: event.bytes_out,
            times: (Age::of(event.at), Age::of(event.opened), accepted),
        }
    }
}
