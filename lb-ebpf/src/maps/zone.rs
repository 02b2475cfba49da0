//! Which device a frame is of, where several share the programs and maps.

use aya_ebpf::{btf_maps::Array, macros::btf_map, programs::TcContext};
use lb_common::{
    atomic::Atomics as _,
    state::{DUE_WORDS, Due, ZONES_PER_WORD},
};

use super::KernelTables;

/// Whether several devices share these programs, and frames come with the zone of theirs; set at load.
#[unsafe(no_mangle)]
static ZONED: u32 = 0;

/// Zones in which the reaper has something to send.
#[btf_map]
static ZONES_DUE: Array<Due, { DUE_WORDS as usize }> = Array::new();

impl KernelTables {
    /// For a device that shares nothing, and for steps, which do not want to know.
    pub(crate) const ALONE: Self = Self::of(0);

    pub(crate) const fn of(zone: u16) -> Self {
        Self { zone }
    }

    /// For a frame, which says what zone it is of where that is not plain.
    #[inline(always)]
    pub(crate) fn for_frame(ctx: &TcContext) -> Self {
        Self::of(if is_zoned() { control(ctx)[0] as u16 } else { 0 })
    }
}

/// Whether devices share the programs.
#[inline(always)]
pub(crate) fn is_zoned() -> bool {
    // SAFETY: a read of a constant that the loader wrote before the program was loaded; volatile so that the compiler does
    // not take the initial value for granted.
    unsafe { core::ptr::read_volatile(&raw const ZONED) != 0 }
}

/// The control block of a frame, in which programs tell each other things.
#[inline(always)]
pub(crate) fn control(ctx: &TcContext) -> [u32; 2] {
    // SAFETY: the context is valid for the run of the program.
    unsafe { [(*ctx.skb.skb).cb[0], (*ctx.skb.skb).cb[1]] }
}

/// Takes note that the reaper has something to send in a zone.
#[inline(always)]
pub(crate) fn note_due(zone: u16) {
    let zone = u32::from(zone);
    if let Some(due) = ZONES_DUE.get(zone / ZONES_PER_WORD) {
        KernelTables::ALONE.or64(due, 1 << (zone % ZONES_PER_WORD));
    }
}
