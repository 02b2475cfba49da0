//! Sequence numbers, which wrap (RFC 9293 section 3.4).

use zerocopy::FromZeros;

/// A TCP sequence number. There is no order of all of them, only of two that are near.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromZeros)]
pub struct Seq(u32);

impl Seq {
    /// The number in host order.
    #[inline(always)]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The number in host order.
    #[inline(always)]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The number `count` further on.
    #[inline(always)]
    #[must_use]
    pub const fn plus(self, count: u32) -> Self {
        Self(self.0.wrapping_add(count))
    }

    /// How far this one lies ahead of `other`; what lies behind is far ahead.
    #[inline(always)]
    pub const fn ahead_of(self, other: Self) -> u32 {
        self.0.wrapping_sub(other.0)
    }

    /// Whether this one lies ahead of `other`, by less than half of the circle.
    #[inline(always)]
    pub const fn is_after(self, other: Self) -> bool {
        self.ahead_of(other).wrapping_sub(1) < 0x7fff_ffff
    }

    /// Whether this one lies from `first` to `last`, both included.
    #[inline(always)]
    pub const fn is_within(self, first: Self, last: Self) -> bool {
        self.ahead_of(first) <= last.ahead_of(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_circle_has_no_edge() {
        let (before, after) = (Seq::new(u32::MAX - 1), Seq::new(3));
        assert_eq!(after.ahead_of(before), 5);
        assert_eq!(before.plus(5), after);
        assert!(Seq::new(0).is_within(before, after));
        assert!(before.is_within(before, after) && after.is_within(before, after));
        assert!(!Seq::new(4).is_within(before, after));
        assert!(!Seq::new(u32::MAX - 2).is_within(before, after));
    }
}
