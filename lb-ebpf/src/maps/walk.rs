//! Loops: steps that are counted, and a walk over conntrack.

use aya_ebpf::helpers::{bpf_for_each_map_elem, bpf_loop};
use lb_common::{
    state::{Flow, FlowKey},
    tables::Step,
};

use super::{FLOWS, KernelTables};

/// Takes up to `times` steps.
#[inline(always)]
pub(super) fn repeat<S: Step<KernelTables>>(times: u32, step: &mut S) {
    unsafe extern "C" fn turn<S: Step<KernelTables>>(index: u32, step: *mut S) -> i64 {
        // SAFETY: the pointer given to bpf_loop below, which is exclusive for as long as it runs.
        let step = unsafe { &mut *step };
        if step.step(&KernelTables::ALONE, index) { 0 } else { 1 }
    }
    let step = core::ptr::from_mut(step).cast();
    let turn: unsafe extern "C" fn(u32, *mut S) -> i64 = turn::<S>;
    // SAFETY: the function takes what bpf_loop passes: an index, and the given pointer.
    unsafe { bpf_loop(times, turn as *mut _, step, 0) };
}

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
