//! Round robin at run time: one counter and one look-up, whatever the number of members.

use crate::{
    state::{Pool, TickKey},
    tables::Tables,
};

/// The slot whose turn it is.
#[inline(always)]
pub(super) fn pick<T: Tables>(tables: &T, index: u32, pool: &Pool) -> Option<u32> {
    if pool.ticks == 0 {
        return None;
    }
    let cursor = tables.cursor(index)?;
    let turn = tables.add64(&cursor.turn, 1);
    let tick = (turn % pool.ticks as u64) as u32;
    tables.tick(&TickKey { pool: index, generation: pool.generation, tick })
}
