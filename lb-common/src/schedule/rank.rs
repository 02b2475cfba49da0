//! Which of two members a new connection would rather have.
//!
//! HAProxy orders members by `(n + 1) * 256 / weight` (0 for an idle member) and puts a member whose
//! value changed behind its equals (`balance leastconn`, HAProxy configuration manual, section 4.2).
//! So the smallest value wins here, and among equals the member that changed longest ago.

use crate::{
    schedule::{Terms, response},
    state::{Load, Method, Pool, Slot, WEIGHT_ONE},
    tables::Tables,
};

/// HAProxy's largest effective weight, 256 in sixteenths (`SRV_EWGHT_MAX`).
const HEAVIEST: u64 = 256 * WEIGHT_ONE as u64;

/// Behind every member whose response time is known.
const UNKNOWN: u64 = 1 << 60;
/// More connections than any member has; keeps products within 64 bits.
const MOST_WAITING: u32 = (1 << 24) - 1;

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
        let pressure = match load.active.get() {
            0 => 0,
            active => per_weight(active, slot),
        };
        Self { pressure, stamp: load.stamp.get() }
    }

    /// The same for [`crate::state::Method::LeastResponseTime`].
    #[inline(always)]
    fn by_response(slot: &Slot, load: &Load, now: u64) -> Self {
        let active = load.active.get();
        let pressure = match (response::expected(load, now), active) {
            // Nobody knows: one connection is to find out.
            (0, 0) => 0,
            (0, active) => UNKNOWN + per_weight(active, slot),
            (time, active) => time as u64 * per_weight(active.min(MOST_WAITING), slot),
        };
        Self { pressure, stamp: load.stamp.get() }
    }
}

/// Connections with a new one, for the heaviest weight.
#[inline(always)]
const fn per_weight(active: u32, slot: &Slot) -> u64 {
    // No weight has no rank.
    (active as u64 + 1) * HEAVIEST / (slot.weight | (slot.weight == 0) as u32) as u64
}

/// Whether the member has room for a connection that is free to go elsewhere.
#[inline(always)]
pub(super) fn has_room(slot: &Slot, load: &Load) -> bool {
    slot.weight != 0 && (slot.limit == 0 || load.active.get() < slot.limit)
}

impl Set<'_> {
    /// The place of the member with this index by its connections; [`Rank::LAST`] if it can take none.
    #[inline(always)]
    pub(super) fn rank<T: Tables>(&self, tables: &T, member: u32) -> Rank {
        match (tables.slot(&self.pool.part(self.index, member)), tables.load(member)) {
            (Some(slot), Some(load)) if has_room(&slot, &load) => Rank::of(&slot, &load),
            _ => Rank::LAST,
        }
    }

    /// The place by the pool's method, on these terms.
    #[inline(always)]
    pub(super) fn rank_on<T: Tables>(&self, tables: &T, member: u32, terms: Terms<'_>) -> Rank {
        match (tables.slot(&self.pool.part(self.index, member)), tables.load(member)) {
            (Some(slot), Some(load)) if has_room(&slot, &load) && terms.allow(member, &load) => {
                match Method::from_number(self.pool.method) {
                    Some(Method::LeastResponseTime) => Rank::by_response(&slot, &load, terms.now()),
                    _ => Rank::of(&slot, &load),
                }
            }
            _ => Rank::LAST,
        }
    }

    /// Whether the member with this index can take a connection on these terms.
    #[inline(always)]
    pub(super) fn can_take<T: Tables>(&self, tables: &T, member: u32, terms: Terms<'_>) -> bool {
        match (tables.slot(&self.pool.part(self.index, member)), tables.load(member)) {
            (Some(slot), Some(load)) => has_room(&slot, &load) && terms.allow(member, &load),
            _ => false,
        }
    }
}
