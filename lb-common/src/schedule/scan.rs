//! Looking at every member: the slow way, for those who ask and for what no tree knows.

use crate::{
    schedule::{Ask, NOBODY, Rank, Set},
    tables::{Step, Tables},
};

/// The index of the best member that may be the answer, an ejected one only if all are.
#[inline(always)]
pub(super) fn best<T: Tables>(tables: &T, set: Set<'_>, ask: &Ask) -> Option<u32> {
    let mut scan = Scan { set, ask, best: NOBODY, rank: Rank::LAST };
    tables.repeat(set.pool.leaves, &mut scan);
    (scan.best != NOBODY).then_some(scan.best)
}

struct Scan<'a> {
    set: Set<'a>,
    ask: &'a Ask,
    best: u32,
    rank: Rank,
}

impl<T: Tables> Step<T> for Scan<'_> {
    #[inline(always)]
    fn step(&mut self, tables: &T, leaf: u32) -> bool {
        let Some(member) = self.set.member(tables, leaf) else { return false };
        let rank = self.set.rank_for(tables, member, self.ask);
        if rank.beats(&self.rank) {
            self.best = member;
            self.rank = rank;
        }
        true
    }
}

/// The index of the least loaded member that has room, ejected or not: who would be due.
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
    fn step(&mut self, tables: &T, leaf: u32) -> bool {
        let Some(member) = self.set.member(tables, leaf) else { return false };
        let rank = self.set.rank(tables, member);
        if rank.beats(&self.rank) {
            self.best = member;
            self.rank = rank;
        }
        true
    }
}
