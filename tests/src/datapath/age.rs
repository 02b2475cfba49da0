//! Time without waiting: entries are given an age that no clock can make ambiguous.

use lb_common::addr::Addr;
use lb_common::state::FlowKey;
use zerocopy::IntoBytes as _;

/// Nanoseconds of monotonic time that have long passed.
const ANCIENT: u64 = 1;
/// Nanoseconds of monotonic time that never come.
const FUTURE: u64 = 1 << 62;

/// What a time stamp of an entry says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Age {
    /// Longer ago than any timer of these tests.
    #[default]
    Ancient,
    /// Written by the datapath since the harness last gave out ages.
    Now,
    /// Newer than the clock; nothing expires by it, and every packet overwrites it.
    Future,
}

impl Age {
    /// What `stamp` says.
    #[must_use]
    pub const fn of(stamp: u64) -> Self {
        match stamp {
            0..=ANCIENT => Self::Ancient,
            FUTURE.. => Self::Future,
            _ => Self::Now,
        }
    }

    /// A stamp of this age, where the clock shows `now`.
    #[must_use]
    pub const fn stamp(self, now: u64) -> u64 {
        match self {
            Self::Ancient => ANCIENT,
            Self::Now => now,
            Self::Future => FUTURE,
        }
    }
}

/// The ages of an entry.
#[derive(Clone, Copy, Debug)]
pub struct Ages {
    /// Of the last packet.
    pub seen: Age,
    /// Of the last packet with something new.
    pub news: Age,
    /// Of the opening.
    pub opened: Age,
}

/// Which ages entries are given.
#[derive(Clone, Copy, Debug)]
pub enum Stamping {
    /// The same for all of a kind.
    Each {
        /// Last packet of the clients' entries.
        client: Age,
        /// Last packet of the members' entries.
        member: Age,
        /// When the connections opened.
        opened: Age,
    },
    /// Nothing new for long, whatever else passed now.
    Idle,
    /// [`Age::Ancient`] or [`Age::Future`] by the entry's key and this seed.
    Scattered(u64),
}

impl Stamping {
    /// Everything newer than the clock: the next packet shows.
    pub const FUTURE: Self =
        Self::Each { client: Age::Future, member: Age::Future, opened: Age::Future };

    /// The ages for an entry.
    #[must_use]
    pub fn of(&self, key: &FlowKey, from_member: bool) -> Ages {
        match *self {
            Self::Each { client, member, opened } => {
                let seen = if from_member { member } else { client };
                Ages { seen, news: seen, opened }
            }
            Self::Idle => Ages { seen: Age::Future, news: Age::Ancient, opened: Age::Ancient },
            Self::Scattered(seed) => {
                let tuple = &key.tuple;
                let hash = hash(seed, tuple.as_bytes());
                let age = |bit: u32| if hash >> bit & 1 == 0 { Age::Ancient } else { Age::Future };
                Ages { seen: age(40), news: age(42), opened: age(41) }
            }
        }
    }

    /// Age of the last connection of a client that is remembered.
    #[must_use]
    pub fn of_client(&self, client: Addr) -> Age {
        match *self {
            Self::Each { client, .. } => client,
            Self::Idle => Age::Ancient,
            Self::Scattered(seed) if hash(seed, client.as_bytes()) >> 40 & 1 == 0 => Age::Ancient,
            Self::Scattered(_) => Age::Future,
        }
    }
}

fn hash(seed: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(seed, |hash, byte| {
        let mixed = (hash ^ u64::from(*byte)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ (mixed >> 29)
    })
}
