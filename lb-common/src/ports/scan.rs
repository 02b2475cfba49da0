//! Looking for a bit in a block of ports.

use crate::{
    atomic::Word64,
    state::PortBlock,
    tables::{Step, Tables},
};

/// The first port of a block, counted within it from `from`, whose bit is set when all are exclusive-ored
/// with `flip`; [`PortBlock::PORTS`] if there is none.
#[inline(always)]
pub(crate) fn first<T: Tables>(
    tables: &T,
    words: &[Word64; PortBlock::WORDS],
    flip: u64,
    from: u32,
) -> u32 {
    let mut scan = Scan { words, flip, at: from, bits: 0 };
    tables.repeat(PortBlock::WORDS as u32, &mut scan);
    if scan.bits == 0 { PortBlock::PORTS } else { scan.at / 64 * 64 + lowest(scan.bits) }
}

/// A walk over the words of a block to the first that has a bit.
struct Scan<'a> {
    words: &'a [Word64; PortBlock::WORDS],
    flip: u64,
    /// Bits below are not looked at.
    at: u32,
    bits: u64,
}

impl<T: Tables> Step<T> for Scan<'_> {
    #[inline(always)]
    fn step(&mut self, _tables: &T, _index: u32) -> bool {
        let Some(word) = self.words.get(self.at as usize / 64) else { return false };
        self.bits = (word.get() ^ self.flip) & (u64::MAX << (self.at % 64));
        if self.bits != 0 {
            return false;
        }
        self.at = self.at / 64 * 64 + 64;
        true
    }
}

/// The number of the lowest bit that is set, 64 if none is: as many as there are below it.
#[inline(always)]
const fn lowest(bits: u64) -> u32 {
    (bits & bits.wrapping_neg()).wrapping_sub(1).count_ones()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::host::HostTables;

    proptest! {
        #[test]
        fn the_lowest_bit(bits: u64) {
            prop_assert_eq!(lowest(bits), bits.trailing_zeros());
        }

        #[test]
        fn the_first_port_is_the_one_that_counting_finds(
            words: [u64; PortBlock::WORDS],
            sparse: [bool; PortBlock::WORDS],
            is_flipped: bool,
            from in 0..PortBlock::PORTS,
        ) {
            let flip = if is_flipped { u64::MAX } else { 0 };
            let mut block = PortBlock::default();
            for ((word, bits), is_empty) in block.taken.iter_mut().zip(words).zip(sparse) {
                *word = Word64::new(if is_empty { flip } else { bits });
            }
            let is_set = |port: &u32| {
                (block.taken[*port as usize / 64].get() ^ flip) >> (port % 64) & 1 == 1
            };
            let counted = (from..PortBlock::PORTS).find(is_set).unwrap_or(PortBlock::PORTS);
            let found = first(&HostTables::default(), &block.taken, flip, from);
            prop_assert_eq!(found, counted);
        }
    }
}
