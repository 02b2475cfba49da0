//! The least loaded member that may be the answer, where the least loaded of all is to be avoided.
//!
//! From the root down the tree, past winners that are to be avoided: below a node whose winner is not, or
//! is worse than one that was found, there is nothing better. As no more than four are avoided, and ejected
//! members come last anyway, these are few ways from the root to a leaf.

use crate::{
    schedule::{
        Ask, Avoid, NOBODY, Rank, Set,
        tournament::{ROOT, outcome},
    },
    tables::{Step, Tables},
};

/// The index of the least loaded member that may be the answer, an ejected one only if all are.
#[inline(always)]
pub(super) fn best<T: Tables>(tables: &T, set: Set<'_>, ask: &Ask) -> Option<u32> {
    // In words that the verifier does not understand: it would follow every place that comes after one that it knows.
    let root = ROOT + (set.pool.tournament >> 2);
    let mut descent =
        Descent { set, avoid: ask.avoid, place: root, best: NOBODY, rank: Rank::LAST };
    tables.repeat(2 * set.pool.leaves, &mut descent);
    (descent.best != NOBODY).then_some(descent.best)
}

/// A walk through the tree, each node before its children, the left before the right.
struct Descent<'a> {
    set: Set<'a>,
    avoid: Avoid,
    place: u32,
    best: u32,
    rank: Rank,
}

impl<T: Tables> Step<T> for Descent<'_> {
    #[inline(always)]
    fn step(&mut self, tables: &T, _: u32) -> bool {
        let winner = outcome(tables, self.set, self.place).winner();
        let rank = self.set.rank_apart(tables, winner);
        let mut goes_down = false;
        if rank.beats(&self.rank) {
            goes_down = self.avoid.contains(winner);
            if !goes_down {
                (self.best, self.rank) = (winner, rank);
            }
        }
        goes_down &= self.place < self.set.pool.leaves;
        self.place = if goes_down { 2 * self.place } else { after(self.place) };
        self.place != ROOT
    }
}

/// The place that comes after one and all below it; the root after the last.
#[inline(always)]
const fn after(place: u32) -> u32 {
    let next = place + 1;
    next >> next.trailing_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_order() {
        // 1 has 2 and 3 below it, 2 has 4 and 5, 3 has 6 and 7.
        assert_eq!([4, 5, 2, 6, 7, 3, 1].map(after), [5, 3, 3, 7, 1, 1, 1]);
    }
}
