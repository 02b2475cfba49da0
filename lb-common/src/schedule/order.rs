//! Methods that go by a table: at run time a place in it and one look-up, whatever the
//! number of members.

use crate::{
    schedule::{NOBODY, Set, Terms},
    tables::{Step, Tables},
};

/// Places of members that cannot be the answer are skipped, so many at most; then anybody is as good.
const SKIPS: u32 = 256;

/// Where in its table a method looks.
///
/// No enum: a field that only some variants have may be left unwritten in the others, and the BPF
/// verifier lets no register be stored that was never written.
#[derive(Clone, Copy)]
pub(super) struct Place {
    takes_turn: bool,
    number: u32,
}

impl Place {
    /// Wherever the pool has got to; the place is used up.
    pub(super) const TURN: Self = Self { takes_turn: true, number: 0 };

    /// At this number, and from there on.
    #[inline(always)]
    pub(super) const fn at(number: u32) -> Self {
        Self { takes_turn: false, number }
    }
}

/// The index of the member whose place it is, or of the next one that can be chosen on these terms.
#[inline(always)]
pub(super) fn next<T: Tables>(
    tables: &T,
    set: Set<'_>,
    place: Place,
    terms: Terms<'_>,
) -> Option<u32> {
    let mut places = Places { set, place, terms, found: NOBODY };
    tables.repeat(set.pool.ticks.min(SKIPS), &mut places);
    (places.found != NOBODY).then_some(places.found)
}

struct Places<'a> {
    set: Set<'a>,
    place: Place,
    terms: Terms<'a>,
    found: u32,
}

impl<T: Tables> Step<T> for Places<'_> {
    #[inline(always)]
    fn step(&mut self, tables: &T, skipped: u32) -> bool {
        self.found = self.look(tables, skipped).unwrap_or(NOBODY);
        self.found == NOBODY
    }
}

impl Places<'_> {
    #[inline(always)]
    fn look<T: Tables>(&self, tables: &T, skipped: u32) -> Option<u32> {
        let Set { index, pool } = self.set;
        let place = if self.place.takes_turn {
            let cursor = tables.cursor(index)?;
            tables.take_turn(&cursor)
        } else {
            self.place.number as u64 + skipped as u64
        };
        let tick = place.checked_rem(pool.ticks.into())?;
        let member = tables.tick(&pool.part(index, tick as u32))?;
        let takes = self.set.can_take(tables, member, self.terms);
        if !takes {
            tables.overlook(member, false);
        }
        takes.then_some(member)
    }
}
