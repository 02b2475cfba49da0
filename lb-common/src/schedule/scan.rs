//! Looking at every member: the slow way, for what is rare.

use crate::{
    schedule::{NOBODY, Rank, Set, Terms},
    tables::{Step, Tables},
};

/// The index of the best member on these terms.
#[inline(always)]
pub(super) fn best<T: Tables>(tables: &T, set: Set<'_>, terms: Terms<'_>) -> Option<u32> {
    let mut scan = Scan { set, terms, best: NOBODY, rank: Rank::LAST };
    tables.repeat(set.pool.leaves, &mut scan);
    (scan.best != NOBODY).then_some(scan.best)
}

struct Scan<'a> {
    set: Set<'a>,
    terms: Terms<'a>,
    best: u32,
    rank: Rank,
}

impl<T: Tables> Step<T> for Scan<'_> {
    #[inline(always)]
    fn step(&mut self, tables: &T, member: u32) -> bool {
        let rank = self.set.rank_on(tables, member, self.terms);
        if rank.beats(&self.rank) {
            self.best = member;
            self.rank = rank;
        }
        true
    }
}

/// The index of the least loaded member that has room, ejected or not: who wins the tournament
/// ([`super::tournament`]) once it is played.
#[inline(always)]
pub(super) fn least_loaded<T: Tables>(tables: &T, set: Set<'_>) -> Option<u32> {
    let mut leaves = Leaves { set, best: NOBODY, rank: Rank::LAST };
    tables.repeat(set.pool.leaves, &mut leaves);
    (leaves.best != NOBODY).then_some(leaves.best)
}

struct Leaves<'a> {
    set: Set<'a>,
    best: u32,
    rank: Rank,
}

impl<T: Tables> Step<T> for Leaves<'_> {
    #[inline(always)]
    fn step(&mut self, tables: &T, member: u32) -> bool {
        let rank = self.set.rank(tables, member);
        if rank.beats(&self.rank) {
            self.best = member;
            self.rank = rank;
        }
        true
    }
}
