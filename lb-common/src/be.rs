//! Integers in network byte order, aligned like their native counterparts.
//!
//! A field of type [`Be16`] or [`Be32`] cannot be read or written without saying
//! which order is meant, so byte order is decided by the type, never by memory.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

macro_rules! big_endian {
    ($(#[$doc:meta])* $name:ident, $native:ty) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout,
        )]
        #[repr(transparent)]
        pub struct $name($native);

        impl $name {
            /// Stores `value`, given in host order.
            #[inline(always)]
            pub const fn new(value: $native) -> Self {
                Self(value.to_be())
            }

            /// The value in host order.
            #[inline(always)]
            pub const fn get(self) -> $native {
                <$native>::from_be(self.0)
            }

            /// The integer whose word lies like `raw` in memory.
            #[inline(always)]
            pub const fn from_raw(raw: $native) -> Self {
                Self(raw)
            }

            /// The bits that both have.
            #[inline(always)]
            #[must_use]
            pub const fn and(self, other: Self) -> Self {
                Self(self.0 & other.0)
            }

            /// The word as it lies in memory, for arithmetic that does not depend
            /// on byte order (RFC 1071 section 2 (B)).
            #[inline(always)]
            pub const fn raw(self) -> $native {
                self.0
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.get().fmt(f)
            }
        }

        impl From<$native> for $name {
            fn from(value: $native) -> Self {
                Self::new(value)
            }
        }
    };
}

big_endian!(
    /// A 16-bit integer in network byte order.
    Be16,
    u16
);
big_endian!(
    /// A 32-bit integer in network byte order.
    Be32,
    u32
);

#[cfg(test)]
mod tests {
    use zerocopy::IntoBytes as _;

    use super::*;

    #[test]
    fn memory_holds_the_most_significant_byte_first() {
        assert_eq!(Be16::new(0x0102).as_bytes(), [1, 2]);
        assert_eq!(Be32::new(0x0102_0304).as_bytes(), [1, 2, 3, 4]);
        assert_eq!(Be32::new(7).get(), 7);
    }
}
