//! Ejected members whose time is over.
//!
//! Whoever looks for the winner lets them back in first. Each ejection costs its end but once, so what a
//! connection looks at stays within the tree's height, whoever is ejected.

use crate::{
    schedule::{
        NOBODY, Set,
        tournament::{Match, ROOT, TRIES, outcome},
    },
    tables::{Step, Tables},
};

/// Lets those back into the tournament whose ejection is over at this time.
#[inline(always)]
pub(super) fn let_in<T: Tables>(tables: &T, set: Set<'_>, now: u64) {
    if outcome(tables, set, ROOT).returner() != NOBODY {
        let leaves = set.pool.leaves;
        let mut returns = Returns { set, now, next: Match::NONE };
        tables.repeat(leaves * (TRIES * leaves.trailing_zeros() + 1), &mut returns);
    }
}

/// Climbs from one leaf after the other, until nobody is to come back at the root.
struct Returns<'a> {
    set: Set<'a>,
    now: u64,
    next: Match,
}

impl<T: Tables> Step<T> for Returns<'_> {
    #[inline(always)]
    fn step(&mut self, tables: &T, _: u32) -> bool {
        if self.next.is_any() {
            self.next.climb(tables, self.set);
            return true;
        }
        let member = outcome(tables, self.set, ROOT).returner();
        if member == NOBODY {
            return false;
        }
        let (Some(load), Some(leaf)) = (tables.load(member), self.set.leaf(tables, member)) else {
            return false;
        };
        let until = load.out_until.get();
        if until > self.now {
            return false;
        }
        // Unless it is ejected once more in this moment.
        tables.exchange64(&load.out_until, until, 0);
        self.next = Match::above(self.set, leaf);
        true
    }
}

/// The one of two ejected members whose time is over sooner; either may be nobody.
#[inline(always)]
pub(super) fn sooner<T: Tables>(tables: &T, left: u32, right: u32) -> u32 {
    // Most of the time nobody is ejected, and then nobody is looked at.
    if left == NOBODY || right == NOBODY {
        return left.min(right);
    }
    match (tables.load(left), tables.load(right)) {
        (Some(l), Some(r)) if r.out_until.get() < l.out_until.get() => right,
        _ => left,
    }
}
