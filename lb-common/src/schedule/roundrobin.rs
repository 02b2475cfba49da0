//! Round robin at run time: one counter and one look-up, whatever the number of members.

use crate::{
    schedule::Terms,
    state::{Pool, TickKey},
    tables::{Step, Tables},
};

/// The slot whose turn it is. Turns of members that cannot be the answer are skipped.
#[inline(always)]
pub(super) fn pick<T: Tables>(
    tables: &T,
    index: u32,
    pool: &Pool,
    terms: Terms<'_>,
) -> Option<u32> {
    if pool.ticks == 0 {
        return None;
    }
    let mut turns = Turns { index, pool, terms, found: None };
    tables.repeat(pool.ticks, &mut turns);
    if turns.found.is_none() {
        turns.terms = terms.with_ejected();
        tables.repeat(pool.ticks, &mut turns);
    }
    turns.found
}

struct Turns<'a> {
    index: u32,
    pool: &'a Pool,
    terms: Terms<'a>,
    found: Option<u32>,
}

impl<T: Tables> Step<T> for Turns<'_> {
    #[inline(always)]
    fn step(&mut self, tables: &T, _: u32) -> bool {
        let Some(cursor) = tables.cursor(self.index) else { return false };
        let turn = tables.add64(&cursor.turn, 1);
        let tick = (turn % self.pool.ticks as u64) as u32;
        let key = TickKey { pool: self.index, generation: self.pool.generation, tick };
        let Some(place) = tables.tick(&key) else { return false };
        let Some(slot) = self.pool.slots.get(place as usize) else { return false };
        let Some(load) = tables.load(slot.member) else { return false };
        if self.terms.allow(slot.member, &load) {
            self.found = Some(place);
        }
        self.found.is_none()
    }
}
