//! Pools: the members that may take new connections, and how one is chosen.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{addr::Addr, atomic::Word64, be::Be16};

/// Most members of a pool that can take new connections at a time.
pub const MAX_MEMBERS: usize = 256;
/// Most pools of one datapath.
pub const MAX_POOLS: u32 = 1024;

/// How the member of a new connection is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Method {
    /// In turn, by weight; `balance roundrobin` of the HAProxy configuration manual, section 4.2.
    RoundRobin = 0,
    /// Fewest active connections by weight; `balance leastconn`, same place.
    LeastConn = 1,
}

impl Method {
    /// The method stored as `number`.
    #[inline(always)]
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::RoundRobin),
            1 => Some(Self::LeastConn),
            _ => None,
        }
    }
}

/// A member that may take new connections.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Slot {
    /// Index of the member.
    pub member: u32,
    /// 1 to 256.
    pub weight: u32,
    /// The member's address.
    pub address: Addr,
    /// The member's port.
    pub port: Be16,
    /// Always zero.
    pub reserved: u16,
}

/// How long a connection may stay as it is, in nanoseconds, by its state.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Timers {
    /// Until the handshake is complete (`timeout connect`).
    pub opening: u64,
    /// Without news, on the client's side (`timeout client`). Data crosses both sides, so the
    /// shorter of the two ends a connection; the HAProxy configuration manual, section 4.2.
    pub client: u64,
    /// Without news, on the member's side (`timeout server`).
    pub server: u64,
    /// Without news, while one end has closed.
    pub closing: u64,
    /// After the end, so that late segments still find their way.
    pub closed: u64,
}

/// A pool as the datapath sees it. An update replaces it as a whole, so that a packet
/// sees the old set or the new one and never a mixture.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Pool {
    /// Timers of the pool's connections.
    pub timers: Timers,
    /// Counts the updates; names the round robin cycle that belongs to this set ([`TickKey`]).
    pub generation: u32,
    /// A [`Method`] as its number.
    pub method: u32,
    /// How many of `slots` are in use, from the first.
    pub members: u32,
    /// Ticks in a round robin cycle; zero if there are no members.
    pub ticks: u32,
    /// Lowest NAT port, in host order.
    pub port_low: u16,
    /// Highest NAT port, in host order.
    pub port_high: u16,
    /// Not zero if keepalives and retransmissions count as life, as data does.
    pub keepalive_counts: u32,
    /// The members that may take new connections, in the order of the configuration.
    pub slots: [Slot; MAX_MEMBERS],
}

const _: () = assert!(size_of::<Slot>() == 16 && size_of::<Pool>() == 64 + 16 * MAX_MEMBERS);

/// A tick of a pool's round robin cycle. The value is the slot whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct TickKey {
    /// Index of the pool.
    pub pool: u32,
    /// [`Pool::generation`].
    pub generation: u32,
    /// Below [`Pool::ticks`].
    pub tick: u32,
}

/// A pool's place in its schedule. Outlives every change of the pool.
#[derive(Debug, Default, FromBytes, IntoBytes, KnownLayout)]
#[repr(C)]
pub struct Cursor {
    /// Connections given out by round robin so far.
    pub turn: Word64,
    /// Changes of any member's load so far.
    pub stamp: Word64,
}
