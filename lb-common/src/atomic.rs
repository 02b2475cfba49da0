//! Words that several CPUs change at once.
//!
//! The BPF target has atomic instructions (kernel commit 91c960b00566, "bpf: Rename
//! BPF_XADD and prepare to encode other atomics in .imm"), but Rust's `core` offers only
//! loads and stores there. So a word is a plain cell, and whoever supplies the tables
//! also supplies the read-modify-write operations on it.

use core::cell::Cell;

use zerocopy::{FromBytes, IntoBytes, KnownLayout};

macro_rules! word {
    ($(#[$doc:meta])* $name:ident, $native:ty) => {
        $(#[$doc])*
        #[derive(Debug, Default, FromBytes, IntoBytes, KnownLayout)]
        #[repr(transparent)]
        pub struct $name(Cell<$native>);

        impl $name {
            /// A word that nobody shares yet.
            #[inline(always)]
            pub const fn new(value: $native) -> Self {
                Self(Cell::new(value))
            }

            /// The value now.
            #[inline(always)]
            pub fn get(&self) -> $native {
                self.0.get()
            }

            /// Stores a value, whatever others store.
            #[inline(always)]
            pub fn set(&self, value: $native) {
                self.0.set(value);
            }

            /// Where the word is, for those who supply [`Atomics`].
            #[inline(always)]
            pub const fn as_ptr(&self) -> *mut $native {
                self.0.as_ptr()
            }
        }

        impl From<$native> for $name {
            fn from(value: $native) -> Self {
                Self::new(value)
            }
        }
    };
}

word!(
    /// A shared 32-bit word.
    Word32,
    u32
);
word!(
    /// A shared 64-bit word.
    Word64,
    u64
);

/// Atomic read-modify-write operations. Each returns the value before.
///
/// Each is a full barrier: what came before it in the program is seen before what comes after
/// (RFC 9669 section 5.3: operations with the fetch modifier, and compare-and-exchange). Plain loads
/// and stores promise no order.
pub trait Atomics {
    /// Adds, wrapping.
    fn add32(&self, word: &Word32, value: u32) -> u32;
    /// Adds, wrapping.
    fn add64(&self, word: &Word64, value: u64) -> u64;
    /// Sets bits.
    fn or32(&self, word: &Word32, bits: u32) -> u32;
    /// Sets bits.
    fn or64(&self, word: &Word64, bits: u64) -> u64;
    /// Keeps the bits that are set in `bits`, and clears the others.
    fn and64(&self, word: &Word64, bits: u64) -> u64;
    /// Stores `new` if the word is `expected`, which then is what is returned.
    fn exchange64(&self, word: &Word64, expected: u64, new: u64) -> u64;
}
