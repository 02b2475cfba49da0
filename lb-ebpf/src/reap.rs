//! The reaper: `lb-common`'s expiry, applied to every conntrack entry.

use lb_common::{
    expire::expire,
    state::{Flow, FlowKey},
    tables::Tables as _,
};

use crate::maps::{self, KernelTables};

/// Removes what has expired.
pub(crate) fn sweep() {
    maps::for_each_flow(visit);
}

unsafe extern "C" fn visit(_map: *mut u8, key: &FlowKey, flow: &Flow, _context: *mut u8) -> i64 {
    expire(&KernelTables, key, flow, KernelTables.now());
    0
}
