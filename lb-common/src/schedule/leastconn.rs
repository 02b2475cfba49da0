//! Least connections.
//!
//! HAProxy orders members by `(n + 1) * 256 / weight` (0 for an idle member) and puts a
//! member whose value changed behind its equals. Done the same way here, by a scan:
//! the smallest value wins, and among equals the one that changed longest ago.

use crate::{
    schedule::Terms,
    state::Pool,
    tables::{Step, Tables},
};

/// The slot of the least loaded member.
#[inline(always)]
pub(super) fn pick<T: Tables>(tables: &T, pool: &Pool, terms: Terms<'_>) -> Option<u32> {
    let mut scan = Scan { pool, terms, best: NOBODY, pressure: u64::MAX, stamp: u64::MAX };
    tables.repeat(pool.members, &mut scan);
    if scan.best == NOBODY {
        scan.terms = terms.with_ejected();
        tables.repeat(pool.members, &mut scan);
    }
    (scan.best != NOBODY).then_some(scan.best)
}

const NOBODY: u32 = u32::MAX;

struct Scan<'a> {
    pool: &'a Pool,
    terms: Terms<'a>,
    best: u32,
    pressure: u64,
    stamp: u64,
}

impl<T: Tables> Step<T> for Scan<'_> {
    #[inline(always)]
    fn step(&mut self, tables: &T, index: u32) -> bool {
        let Some(slot) = self.pool.slots.get(index as usize) else { return false };
        let Some(load) = tables.load(slot.member) else { return true };
        if !self.terms.allow(slot.member, &load) {
            return true;
        }
        let pressure = pressure(load.active.get(), slot.weight);
        let stamp = load.stamp.get();
        if pressure < self.pressure || (pressure == self.pressure && stamp < self.stamp) {
            self.best = index;
            self.pressure = pressure;
            self.stamp = stamp;
        }
        true
    }
}

/// How loaded a member is; comparable between members of different weight.
#[inline(always)]
fn pressure(active: u32, weight: u32) -> u64 {
    match (active, weight) {
        (_, 0) => u64::MAX,
        (0, _) => 0,
        (active, weight) => (active as u64 + 1) * 256 / weight as u64,
    }
}
