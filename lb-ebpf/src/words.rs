//! Reading headers in words, wherever in the packet they begin.
//!
//! The kernel lets programs read the packet at any offset where the machine can (CONFIG_HAVE_EFFICIENT_UNALIGNED_ACCESS, and checks the
//! program otherwise). The compiler does not know, and would put a header together from single bytes.

use core::{arch::asm, mem::MaybeUninit, ptr};

use zerocopy::FromBytes;

/// Where a header lies while its fields are picked.
#[repr(C, align(8))]
struct Aligned<T>(MaybeUninit<T>);

/// Copies a word of this width from one offset to the same of another place.
macro_rules! copy {
    ($word:ty, $width:literal, $class:ident, $from:ident, $to:ident, $at:literal) => {{
        let word: $word;
        // SAFETY: the caller says that all of it is readable.
        unsafe {
            asm!(
                concat!("{v} = *(", $width, " *)({p} + ", $at, ")"),
                v = out($class) word, p = in(reg) $from, options(readonly, nostack, preserves_flags),
            );
        }
        // SAFETY: as large, and as aligned as the place begins with eight bytes; the caller has chosen an offset in it.
        unsafe { ptr::write($to.byte_add($at).cast::<$word>(), word) };
    }};
}

/// A copy of what lies at `from`.
///
/// # Safety
/// All of it must be readable.
#[inline(always)]
pub(crate) unsafe fn read<T: FromBytes>(from: *const T) -> T {
    let mut value = Aligned(MaybeUninit::<T>::uninit());
    let to = value.0.as_mut_ptr();
    match size_of::<T>() {
        2 => copy!(u16, "u16", wreg, from, to, 0),
        8 => copy!(u64, "u64", reg, from, to, 0),
        20 => {
            copy!(u64, "u64", reg, from, to, 0);
            copy!(u64, "u64", reg, from, to, 8);
            copy!(u32, "u32", wreg, from, to, 16);
        }
        40 => {
            copy!(u64, "u64", reg, from, to, 0);
            copy!(u64, "u64", reg, from, to, 8);
            copy!(u64, "u64", reg, from, to, 16);
            copy!(u64, "u64", reg, from, to, 24);
            copy!(u64, "u64", reg, from, to, 32);
        }
        // SAFETY: as the caller says.
        _ => return unsafe { from.read_unaligned() },
    }
    // SAFETY: every byte was written, and any bytes are a valid `T` (FromBytes).
    unsafe { value.0.assume_init() }
}
