//! Which of two members a new connection would rather have.
//!
//! HAProxy orders members by `(n + 1) * 256 / weight` (0 for an idle member) and puts a member whose
//! value changed behind its equals (`balance leastconn`, HAProxy configuration manual, section 4.2).
//! So the smallest value wins here, and among equals the member that changed longest ago.

use crate::{
    schedule::{Ask, Terms, response},
    state::{Load, Pool, Slot, WEIGHT_ONE},
    tables::Tables,
};

/// HAProxy's largest effective weight, 256 in sixteenths (`SRV_EWGHT_MAX`).
pub(super) const HEAVIEST: u64 = 256 * WEIGHT_ONE as u64;

/// Behind every member that is not ejected; no pressure comes near it.
const EJECTED: u64 = 1 << 63;

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

    /// Behind all others if it is an ejected member's.
    #[inline(always)]
    const fn apart(self, is_out: bool) -> Self {
        Self { pressure: self.pressure | (is_out as u64 * EJECTED), ..self }
    }

    /// By the standing, if the pool goes by response times; otherwise by connections. Decided by arithmetic: the BPF verifier
    /// would follow each way through every match.
    #[inline(always)]
    fn of(pool: &Pool, slot: &Slot, load: &Load) -> Self {
        let timed = pool.tournament >> 1;
        let pressure = match load.active.get() & timed.wrapping_sub(1) {
            0 => 0,
            active => per_weight(active, slot),
        };
        let standing = (response::standing(load) + slot.handicap as u64) * timed as u64;
        Self { pressure: pressure + standing, stamp: load.stamp.get() }
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
    /// The index of the member that has this leaf.
    #[inline(always)]
    pub(super) fn member<T: Tables>(&self, tables: &T, leaf: u32) -> Option<u32> {
        tables.seat(&self.pool.part(self.index, leaf))
    }

    /// The leaf of the member with this index; none if it is not of this set.
    #[inline(always)]
    pub(super) fn leaf<T: Tables>(&self, tables: &T, member: u32) -> Option<u32> {
        Some(tables.slot(&self.pool.part(self.index, member))?.leaf.into())
    }

    /// The member with this index and its load, if it can take a connection that is free to go elsewhere.
    #[inline(always)]
    fn able<T: Tables>(&self, tables: &T, member: u32) -> Option<(T::Ref<Slot>, T::Ref<Load>)> {
        let slot = tables.slot(&self.pool.part(self.index, member))?;
        let load = tables.load(member)?;
        has_room(&slot, &load).then_some((slot, load))
    }

    /// The place of the member with this index, ejected or not; [`Rank::LAST`] if it can
    /// take none.
    #[inline(always)]
    pub(super) fn rank<T: Tables>(&self, tables: &T, member: u32) -> Rank {
        match self.able(tables, member) {
            Some((slot, load)) => Rank::of(self.pool, &slot, &load),
            None => Rank::LAST,
        }
    }

    /// The same with ejected members behind all others, until somebody lets them back in
    /// ([`Load::out_until`] is then zero).
    #[inline(always)]
    pub(super) fn rank_apart<T: Tables>(&self, tables: &T, member: u32) -> Rank {
        match self.able(tables, member) {
            Some((slot, load)) => {
                Rank::of(self.pool, &slot, &load).apart(load.out_until.get() != 0)
            }
            None => Rank::LAST,
        }
    }

    /// The same with those behind all others that are ejected at the time of the question; [`Rank::LAST`] if the member is to be
    /// avoided.
    #[inline(always)]
    pub(super) fn rank_for<T: Tables>(&self, tables: &T, member: u32, ask: &Ask) -> Rank {
        match self.able(tables, member) {
            Some((slot, load)) if !ask.avoid.contains(member) => {
                Rank::of(self.pool, &slot, &load).apart(load.out_until.get() > ask.now)
            }
            _ => Rank::LAST,
        }
    }

    /// Whether the member with this index can take a connection on these terms.
    #[inline(always)]
    pub(super) fn can_take<T: Tables>(&self, tables: &T, member: u32, terms: Terms<'_>) -> bool {
        match self.able(tables, member) {
            Some((_, load)) => terms.allow(member, &load),
            None => false,
        }
    }

    /// Whether the member with this index is of this set and ejected, until somebody lets it back in.
    #[inline(always)]
    pub(super) fn is_out<T: Tables>(&self, tables: &T, member: u32) -> bool {
        match (tables.slot(&self.pool.part(self.index, member)), tables.load(member)) {
            (Some(_), Some(load)) => load.out_until.get() != 0,
            _ => false,
        }
    }
}
