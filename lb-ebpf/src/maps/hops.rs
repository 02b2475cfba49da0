//! Next hops that packets may take without coming to the VIP's device.

use aya_ebpf::{bindings::BPF_NOEXIST, btf_maps::LruHashMap, macros::btf_map};
use lb_common::state::{HopKey, NEXT_HOPS as MOST, NextHop};
use zerocopy::FromZeros as _;

#[btf_map]
static NEXT_HOPS: LruHashMap<HopKey, NextHop, { MOST as usize }> = LruHashMap::new();

#[inline(always)]
pub(super) fn get(key: &HopKey) -> Option<&'static NextHop> {
    // SAFETY: after insertion only atomic fields change. An entry evicted while we look may be another destination's;
    // then this packet goes to a host that has no use for it.
    unsafe { NEXT_HOPS.get(key) }
}

#[inline(always)]
pub(super) fn want(key: &HopKey) {
    // There already is as good, and where there is no room nothing is learned.
    let _ = NEXT_HOPS.insert(key, NextHop::new_zeroed(), BPF_NOEXIST.into());
}
