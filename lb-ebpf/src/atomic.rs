//! Atomic instructions of the BPF machine (RFC 9669 section 5.3), which `core` does not offer
//! for this target.

use core::arch::asm;

use lb_common::atomic::{Atomics, Word32, Word64};

use crate::maps::KernelTables;

impl Atomics for KernelTables {
    #[inline(always)]
    fn add32(&self, word: &Word32, value: u32) -> u32 {
        let mut register = value;
        // SAFETY: the word is valid and aligned for as long as it is borrowed.
        unsafe {
            asm!(
                "{v} = atomic_fetch_add((u32 *)({p} + 0), {v})",
                v = inout(wreg) register, p = in(reg) word.as_ptr(),
            );
        }
        register
    }

    #[inline(always)]
    fn add64(&self, word: &Word64, value: u64) -> u64 {
        let mut register = value;
        // SAFETY: as above.
        unsafe {
            asm!(
                "{v} = atomic_fetch_add((u64 *)({p} + 0), {v})",
                v = inout(reg) register, p = in(reg) word.as_ptr(),
            );
        }
        register
    }

    #[inline(always)]
    fn or32(&self, word: &Word32, bits: u32) -> u32 {
        let mut register = bits;
        // SAFETY: as above.
        unsafe {
            asm!(
                "{v} = atomic_fetch_or((u32 *)({p} + 0), {v})",
                v = inout(wreg) register, p = in(reg) word.as_ptr(),
            );
        }
        register
    }

    #[inline(always)]
    fn or64(&self, word: &Word64, bits: u64) -> u64 {
        let mut register = bits;
        // SAFETY: as above.
        unsafe {
            asm!(
                "{v} = atomic_fetch_or((u64 *)({p} + 0), {v})",
                v = inout(reg) register, p = in(reg) word.as_ptr(),
            );
        }
        register
    }

    #[inline(always)]
    fn and64(&self, word: &Word64, bits: u64) -> u64 {
        let mut register = bits;
        // SAFETY: as above.
        unsafe {
            asm!(
                "{v} = atomic_fetch_and((u64 *)({p} + 0), {v})",
                v = inout(reg) register, p = in(reg) word.as_ptr(),
            );
        }
        register
    }

    #[inline(always)]
    fn exchange64(&self, word: &Word64, expected: u64, new: u64) -> u64 {
        let mut before = expected;
        // SAFETY: as above.
        unsafe {
            asm!(
                "r0 = cmpxchg_64({p} + 0, r0, {new})",
                p = in(reg) word.as_ptr(), new = in(reg) new, inout("r0") before,
            );
        }
        before
    }
}
