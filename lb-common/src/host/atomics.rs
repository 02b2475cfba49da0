//! What is atomic in the kernel. A host's tables belong to one thread.

use crate::{
    atomic::{Atomics, Word32, Word64},
    host::HostTables,
};

impl Atomics for HostTables {
    fn add32(&self, word: &Word32, value: u32) -> u32 {
        let before = word.get();
        word.set(before.wrapping_add(value));
        before
    }

    fn add64(&self, word: &Word64, value: u64) -> u64 {
        let before = word.get();
        word.set(before.wrapping_add(value));
        before
    }

    fn or32(&self, word: &Word32, bits: u32) -> u32 {
        let before = word.get();
        word.set(before | bits);
        before
    }

    fn or64(&self, word: &Word64, bits: u64) -> u64 {
        let before = word.get();
        word.set(before | bits);
        before
    }

    fn and64(&self, word: &Word64, bits: u64) -> u64 {
        let before = word.get();
        word.set(before & bits);
        before
    }

    fn exchange64(&self, word: &Word64, expected: u64, new: u64) -> u64 {
        let before = word.get();
        if before == expected {
            word.set(new);
        }
        before
    }
}
