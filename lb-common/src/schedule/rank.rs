//! Which of two members a new connection would rather have.
//!
//! HAProxy orders members by `(n + 1) * 256 / weight` (0 for an idle member) and puts a member whose
//! value changed behind its equals (`balance leastconn`, HAProxy configuration manual, section 4.2).
//! So the smallest value wins here, and among equals the member that changed longest ago.

use crate::{
    schedule::Terms,
    state::{Load, Pool, Slot, WEIGHT_ONE},
    tables::Tables,
};

/// HAProxy's largest effective weight, 256 in sixteenths (`SRV_EWGHT_MAX`).
const HEAVIEST: u64 = 256 * WEIGHT_ONE as u64;

/// The set of members a pool has now.
#[derive(Clone, Copy)]
pub(super) struct Set<'a> {
    pub(super) index: u32,
    pub(super) pool: &'a Pool,
}

/// The place of a member among those that could take a connection; the least is the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rank {
    pressure: u64,
    stamp: u64,
}

impl Rank {
    /// Behind everybody that can take a connection.
    pub(super) const LAST: Self = Self { pressure: u64::MAX, stamp: u64::MAX };

    /// Whether it goes before the other.
    #[inline(always)]
    pub(super) const fn beats(&self, other: &Self) -> bool {
        self.pressure < other.pressure
            || (self.pressure == other.pressure && self.stamp < other.stamp)
    }

    #[inline(always)]
    fn of(slot: &Slot, load: &Load) -> Self {
        if slot.weight == 0 {
            return Self::LAST;
        }
        let pressure = match load.active.get() {
            0 => 0,
            active => (active as u64 + 1) * HEAVIEST / slot.weight as u64,
        };
        Self { pressure, stamp: load.stamp.get() }
    }
}

impl Set<'_> {
    /// The place of the member with this index; [`Rank::LAST`] if it is not to be chosen.
    #[inline(always)]
    pub(super) fn rank<T: Tables>(&self, tables: &T, member: u32) -> Rank {
        let slot = tables.slot(&self.pool.part(self.index, member));
        match (slot, tables.load(member)) {
            (Some(slot), Some(load)) => Rank::of(&slot, &load),
            _ => Rank::LAST,
        }
    }

    /// The same, on these terms.
    #[inline(always)]
    pub(super) fn rank_on<T: Tables>(&self, tables: &T, member: u32, terms: Terms<'_>) -> Rank {
        match tables.load(member) {
            Some(load) if terms.allow(member, &load) => self.rank(tables, member),
            _ => Rank::LAST,
        }
    }
}
