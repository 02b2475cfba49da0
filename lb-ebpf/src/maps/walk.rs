//! A walk over conntrack.

use aya_ebpf::helpers::bpf_for_each_map_elem;
use lb_common::state::{Flow, FlowKey};

use super::FLOWS;

/// Something that looks at conntrack entries one by one.
pub(crate) trait Visit {
    fn visit(&mut self, key: &FlowKey, flow: &Flow);
}

/// Shows every conntrack entry to the visitor; returns how many there were.
pub(crate) fn for_each_flow<V: Visit>(visitor: &mut V) -> u32 {
    unsafe extern "C" fn turn<V: Visit>(
        _map: *mut u8,
        key: &FlowKey,
        flow: &Flow,
        visitor: *mut V,
    ) -> i64 {
        // SAFETY: the pointer given to the walk below, which is exclusive for as long as it runs.
        unsafe { &mut *visitor }.visit(key, flow);
        0
    }
    let turn: unsafe extern "C" fn(*mut u8, &FlowKey, &Flow, *mut V) -> i64 = turn::<V>;
    // SAFETY: the map is a hash of these key and value types, and the function takes what the walk
    // passes: the map, an entry, and the given pointer.
    unsafe {
        bpf_for_each_map_elem(
            core::ptr::from_ref(&FLOWS).cast_mut().cast(),
            turn as *mut _,
            core::ptr::from_mut(visitor).cast(),
            0,
        ) as u32
    }
}
