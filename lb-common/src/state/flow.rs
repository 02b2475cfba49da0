//! Conntrack: one entry for each direction of a connection.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{
    addr::Tuple,
    atomic::{Atomics, Word64},
    nat::Rewrite,
    state::phase::Phase,
};

/// Which direction of which connection a packet belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct FlowKey {
    /// Source and destination of the packet as it comes in.
    pub tuple: Tuple,
    /// The attachment it comes in on, so that namespaces with the same addresses can share a table.
    pub zone: u16,
    /// IP protocol number.
    pub protocol: u8,
    /// Always zero.
    pub reserved: u8,
}

impl FlowKey {
    /// The key of packets with this `tuple`.
    #[inline(always)]
    pub const fn new(tuple: Tuple, zone: u16, protocol: u8) -> Self {
        Self { tuple, zone, protocol, reserved: 0 }
    }
}

/// One direction of a connection: the whole rewrite and what was seen of it.
///
/// Every packet touches the entry of its own direction only. The connection's phase
/// lives in the client's entry; the few packets of a member that move it look that up.
#[derive(Debug, FromBytes, IntoBytes, KnownLayout)]
#[repr(C)]
pub struct Flow {
    /// How packets are rewritten. Never changes.
    pub rewrite: Rewrite,
    /// Index of the member. Never changes.
    pub member: u32,
    /// Index of the pool. Never changes.
    pub pool: u32,
    /// Zero in the client's entry, one in the member's. Never changes.
    pub from_member: u32,
    /// The phase of the connection; only used in the client's entry.
    pub phase: Phase,
    /// When the last packet of this direction passed, in nanoseconds of monotonic time.
    pub last_seen: Word64,
    /// Payload bytes that passed in this direction, retransmissions included.
    pub payload: Word64,
    /// When the connection was opened, in nanoseconds of monotonic time.
    pub opened: u64,
}

const _: () = assert!(size_of::<FlowKey>() == 16 && size_of::<Flow>() == 56);

impl Flow {
    /// The entry of a direction that opens now.
    #[inline(always)]
    pub fn new(rewrite: Rewrite, member: u32, pool: u32, from_member: bool, now: u64) -> Self {
        Self {
            rewrite,
            member,
            pool,
            from_member: from_member as u32,
            phase: Phase::default(),
            last_seen: Word64::new(now),
            payload: Word64::new(0),
            opened: now,
        }
    }

    /// Records a packet; the clock is written only when it moved.
    #[inline(always)]
    pub fn touch(&self, atomics: &impl Atomics, now: u64, payload: u32) {
        if self.last_seen.get() != now {
            self.last_seen.set(now);
        }
        if payload != 0 {
            atomics.add64(&self.payload, payload as u64);
        }
    }

    /// Whether this client's entry and the member's entry with `key` are of one connection.
    #[inline(always)]
    pub fn answers(&self, key: &FlowKey) -> bool {
        self.rewrite.to == key.tuple.reversed()
    }

    /// The key of the other direction of the same connection: its packets come from
    /// where ours are sent to.
    #[inline(always)]
    pub const fn peer_key(&self, key: &FlowKey) -> FlowKey {
        FlowKey::new(self.rewrite.to.reversed(), key.zone, key.protocol)
    }
}
