//! The Internet checksum, incrementally (RFC 1071, RFC 1624).
//!
//! The checksum is the one's complement of a one's complement sum of 16-bit words.
//! Such a sum does not depend on byte order as long as every word is taken the same
//! way, so all sums here are over words as they lie in memory; this is also what
//! the kernel's helpers expect.
//!
//! A *delta* is `sum(new) + sum(!old)`: adding it to the data's sum replaces the old
//! words by the new ones (RFC 1624 equation 3). It does not depend on the packet, so
//! a connection computes its deltas once.

/// A growing one's complement sum.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum(u64);

impl Sum {
    /// Nothing added yet.
    pub const ZERO: Self = Self(0);

    /// Adds a 16-bit word.
    #[inline(always)]
    #[must_use]
    pub const fn add16(self, word: u16) -> Self {
        Self(self.0 + word as u64)
    }

    /// Adds a 32-bit word.
    #[inline(always)]
    #[must_use]
    pub const fn add32(self, word: u32) -> Self {
        Self(self.0 + word as u64)
    }

    /// The sum in 16 bits.
    #[inline(always)]
    pub const fn fold(self) -> u16 {
        let mut sum = self.0;
        // 64 bits shrink to at most 17 in three steps; the fourth takes the last carry.
        sum = (sum & 0xffff_ffff) + (sum >> 32);
        sum = (sum & 0xffff) + ((sum >> 16) & 0xffff) + (sum >> 32);
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        sum as u16
    }
}

/// The checksum field after a change of the covered words by `delta`.
///
/// Field and delta are words as they lie in memory.
#[inline(always)]
pub const fn apply(field: u16, delta: u16) -> u16 {
    !Sum(0).add16(!field).add16(delta).fold()
}

/// The sum of `bytes` as memory words; an odd last byte is padded with zero.
pub fn sum_bytes(bytes: &[u8]) -> Sum {
    bytes.chunks(2).fold(Sum::default(), |sum, pair| {
        sum.add16(u16::from_ne_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn example_of_rfc_1071() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(sum_bytes(&bytes).fold().to_ne_bytes(), [0xdd, 0xf2]);
    }

    #[test]
    fn example_of_rfc_1624() {
        // Section 4: header checksum 0xDD2F, a word changes from 0x5555 to 0x3285.
        let delta = Sum::default().add16(!0x5555).add16(0x3285).fold();
        assert_eq!(apply(0xdd2f, delta), 0x0000);
    }

    proptest! {
        #[test]
        fn replacing_words_equals_summing_again(
            mut words in proptest::collection::vec(any::<u16>(), 4..64),
            new in any::<[u16; 4]>(),
        ) {
            // A header that is all zero has no valid non-zero checksum; no packet is.
            words.push(0x4500);
            let full = |w: &[u16]| !w.iter().fold(Sum::default(), |s, w| s.add16(*w)).fold();
            let before = full(&words);
            let mut delta = Sum::default();
            for (i, word) in new.iter().enumerate() {
                delta = delta.add16(!words[i]).add16(*word);
                words[i] = *word;
            }
            prop_assert_eq!(apply(before, delta.fold()), full(&words));
        }

        #[test]
        fn fold_keeps_the_value_modulo_ffff(a in any::<u32>(), b in any::<u32>(), c in any::<u16>()) {
            let sum = Sum::default().add32(a).add32(b).add16(c);
            let exact = u64::from(a) + u64::from(b) + u64::from(c);
            prop_assert_eq!(u64::from(sum.fold()) % 0xffff, exact % 0xffff);
        }
    }
}
