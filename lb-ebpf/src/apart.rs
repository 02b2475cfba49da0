//! What the verifier checks once for each program, and not once for each way to each call of it: global functions (kernel commit
//! 51c39bb1d5d1), which they are because they have names, and take and return nothing but numbers, whatever these are.

use lb_common::schedule;

use crate::maps::KernelTables;

/// Takes a change of a member's load into account. Returns nothing that means anything: the verifier wants a number.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn load_changed(pool: u32, member: u32, by: u32, elapsed: u64) -> u32 {
    schedule::change(&KernelTables::ALONE, pool, member, by, elapsed);
    0
}
