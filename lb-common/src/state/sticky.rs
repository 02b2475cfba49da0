//! Session persistence: which member a client had before.
//!
//! A table of its own and no connection state: an entry may be evicted at any time, and the client
//! is then scheduled like a new one (`stick-table`, HAProxy configuration manual, section 11.1).

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{addr::Addr, atomic::Word64};

/// Clients that are remembered; a new one takes the place of the one not seen for longest. Neutron
/// gives HAProxy's table the same size (`size 10k`).
pub const MAX_STICKY: u32 = 10_240;

/// How a listener keeps clients on their members.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Persistence {
    /// How long a client is remembered after its last new connection, in nanoseconds; zero for
    /// as long as there is room.
    pub timeout: u64,
    /// The bits of an address that tell clients apart.
    pub mask: Addr,
    /// Zero for no persistence.
    pub enabled: u64,
}

/// Which member has an index: one that clients may stick to, whatever its weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Identity {
    /// Tells the member from others that had its index before.
    pub incarnation: u32,
    /// Index of the pool.
    pub pool: u32,
}

/// Whose member is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct StickyKey {
    /// Index of the pool.
    pub pool: u32,
    /// The client's address under the mask.
    pub client: Addr,
}

/// The member that a client had.
#[derive(Debug, FromBytes, IntoBytes, KnownLayout)]
#[repr(C)]
pub struct Sticky {
    /// Index of the member.
    pub member: u32,
    /// [`Identity::incarnation`] of the member that is meant.
    pub incarnation: u32,
    /// When the client came to this member, in nanoseconds of monotonic time.
    pub since: u64,
    /// When its last connection was opened, in nanoseconds of monotonic time.
    pub used: Word64,
}

impl Sticky {
    /// Whether the entry holds at the time `now`.
    #[inline(always)]
    pub fn is_fresh(&self, timeout: u64, now: u64) -> bool {
        timeout == 0 || now.saturating_sub(self.used.get()) < timeout
    }
}

const _: () = assert!(size_of::<Persistence>() == 32 && size_of::<Identity>() == 8);
const _: () = assert!(size_of::<StickyKey>() == 20 && size_of::<Sticky>() == 24);
