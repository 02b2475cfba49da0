//! Pools: the members that may take new connections, and how one is chosen.

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use crate::{addr::Addr, atomic::Word64, be::Be16};

/// Most members of a pool.
pub const MAX_MEMBERS: usize = 4096;
/// Members that have an index at a time, those included that are of no pool any more but still
/// have connections.
pub const MEMBER_INDEXES: u32 = 5120;
/// Most pools of one datapath.
pub const MAX_POOLS: u32 = 4096;
/// A weight of one, as slots have it: HAProxy's own sixteenths (`BE_WEIGHT_SCALE`), so that a
/// member can take a part of its share.
pub const WEIGHT_ONE: u32 = 16;

/// Most addresses of a pool that members may see as the source, besides the VIP.
pub const MAX_SNAT: usize = 8;

/// Values of [`Pool::tournament`]: the least loaded member wins, by active connections and weight; or by response time, too. The
/// second bit tells one from the other.
const BY_CONNECTIONS: u32 = 1;
const BY_RESPONSE: u32 = 2;

/// How the member of a new connection is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Method {
    /// In turn, by weight; `balance roundrobin` of the HAProxy configuration manual, section 4.2.
    RoundRobin = 0,
    /// Fewest active connections by weight; `balance leastconn`, same place.
    LeastConn = 1,
    /// By the client's address; `balance source`, same place.
    SourceIp = 2,
    /// By the client's address and port, with as few changes as can be when the members change.
    SourceIpPort = 3,
    /// Shortest time to accept a connection, by active connections and weight.
    LeastResponseTime = 4,
}

impl Method {
    /// The method stored as `number`.
    #[inline(always)]
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::RoundRobin),
            1 => Some(Self::LeastConn),
            2 => Some(Self::SourceIp),
            3 => Some(Self::SourceIpPort),
            4 => Some(Self::LeastResponseTime),
            _ => None,
        }
    }

    /// What a pool has in [`Pool::tournament`]. If members `can_be_full`, the tournament knows when all of them are, whatever the
    /// method.
    #[must_use]
    pub const fn tournament(self, can_be_full: bool) -> u32 {
        match self {
            Self::LeastConn => BY_CONNECTIONS,
            Self::LeastResponseTime => BY_RESPONSE,
            Self::RoundRobin | Self::SourceIp | Self::SourceIpPort => {
                if can_be_full {
                    BY_CONNECTIONS
                } else {
                    0
                }
            }
        }
    }
}

/// How packets get to a member and its answers to the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromZeros)]
#[repr(u32)]
pub enum Mode {
    /// Members see the VIP, or another address of the node, as the source: answers come back by
    /// themselves.
    #[default]
    Nat = 0,
    /// Members see the client as the source, and have their route to clients across the node.
    Dnat = 1,
    /// Packets go to the member as they are: it has the VIP itself, shares the link with the node, and
    /// answers past it (direct server return).
    Dsr = 2,
}

impl Mode {
    /// The mode stored as `number`; what is no mode's stands for [`Self::Nat`].
    #[inline(always)]
    #[must_use]
    pub const fn from_number(number: u32) -> Self {
        match number {
            1 => Self::Dnat,
            2 => Self::Dsr,
            _ => Self::Nat,
        }
    }

    /// Its name, as reports print it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nat => "nat",
            Self::Dnat => "dnat",
            Self::Dsr => "dsr",
        }
    }
}

/// A member as its pool has it now. Its key is the member's index ([`PartKey`]).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Slot {
    /// Index of the member.
    pub member: u32,
    /// Share of new connections in units of a sixteenth ([`WEIGHT_ONE`]); zero takes none that are free
    /// to go elsewhere.
    pub weight: u32,
    /// Most active connections; zero for no limit. CPUs that decide in the same instant can overshoot
    /// it, each by one.
    pub limit: u32,
    /// The member's address.
    pub address: Addr,
    /// The member's port.
    pub port: Be16,
    /// The member's leaf in the tournament, counted from zero; the members of a set have the first ones.
    pub leaf: u16,
    /// What the weight adds to where the member stands among others by response time ([`Load::standing`]).
    pub handicap: u32,
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
/// sees the old set of members or the new one and never a mixture.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Pool {
    /// Timers of the pool's connections.
    pub timers: Timers,
    /// Counts the updates; names the parts that belong to this set ([`PartKey`]).
    pub generation: u32,
    /// A [`Method`] as its number.
    pub method: u32,
    /// Ticks of the method's order; zero if it has none, or there are no members.
    pub ticks: u32,
    /// A power of two, two at least, and no fewer than there are members: the leaves of the tournament.
    pub leaves: u32,
    /// Lowest NAT port, in host order.
    pub port_low: u16,
    /// Highest NAT port, in host order.
    pub port_high: u16,
    /// Members with a weight above zero.
    pub members: u32,
    /// What the tournament between the members goes by ([`Method::tournament`], [`Node`]); zero if there is none.
    pub tournament: u32,
    /// Not zero if keepalives and retransmissions count as life, as data does.
    pub keepalive_counts: u32,
    /// How many other members a connection is given to at most when one fails it (`retries`).
    pub retries: u32,
    /// A member that fails so many connections in a row is ejected; zero for never.
    pub eject_after: u32,
    /// How long, in nanoseconds.
    pub eject_for: u64,
    /// Source addresses that members may see besides the VIP.
    pub snat: [Addr; MAX_SNAT],
    /// How many of them there are, from the first.
    pub snat_count: u32,
    /// The [`Mode`] of new connections, as its number.
    pub mode: u32,
}

impl Pool {
    /// Whether there is a tournament between the members.
    #[inline(always)]
    pub const fn has_tournament(&self) -> bool {
        self.tournament != 0
    }

    /// Whether it goes by the time that members take to accept connections.
    #[inline(always)]
    pub const fn goes_by_response(&self) -> bool {
        self.tournament == BY_RESPONSE
    }

    /// The mode of new connections.
    #[inline(always)]
    pub const fn mode(&self) -> Mode {
        Mode::from_number(self.mode)
    }

    /// The key of a part of this set, in the pool with index `pool`.
    #[inline(always)]
    pub const fn part(&self, pool: u32, part: u32) -> PartKey {
        PartKey { pool, generation: self.generation, part }
    }
}

const _: () = assert!(size_of::<Slot>() == 36 && size_of::<Pool>() == 224);

/// A part of a pool's set that is too large for the pool itself.
///
/// Slots have the member's index as their `part`. Seats count from zero to [`Pool::leaves`], the ticks of an order to
/// [`Pool::ticks`]; the value of either is the index of the member. Nodes are [`Node`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct PartKey {
    /// Index of the pool.
    pub pool: u32,
    /// [`Pool::generation`].
    pub generation: u32,
    /// Which of them.
    pub part: u32,
}

/// A node of the tournament between a pool's members ([`crate::schedule`]): who wins below it, and whose
/// ejection ends first.
///
/// Node 1 is the root, the children of node `n` are `2n` and `2n + 1`; from [`Pool::leaves`] on they
/// are the leaves ([`Slot::leaf`]), which have no node. Node 0 says whether the others are to be relied on.
#[derive(Debug, Default, FromBytes, IntoBytes, KnownLayout)]
#[repr(transparent)]
pub struct Node(pub Word64);

/// A pool's place in its schedule. Outlives every change of the pool.
#[derive(Debug, Default, FromBytes, IntoBytes, KnownLayout)]
#[repr(C)]
pub struct Cursor {
    /// Connections given out by round robin so far.
    pub turn: Word64,
    /// Changes of any member's load so far.
    pub stamp: Word64,
    /// Tickets given to half-open connections so far, of all pools at [`TICKETS`].
    pub tickets: Word64,
    /// Connections opened so far.
    pub opened: Word64,
    /// Connections refused so far: no member could have them, or the pool has enough.
    pub refused: Word64,
    /// Clients' SYNs and datagrams dropped so far because the listener does not serve their network.
    pub denied: Word64,
    /// Times that a connection was given to another member because its own did not accept it.
    pub redispatched: Word64,
}

/// The cursor that no pool has: half-open connections of all pools take their tickets there, because they share the
/// places.
pub const TICKETS: u32 = MAX_POOLS - 1;
