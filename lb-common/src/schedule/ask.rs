//! What is asked of a schedule.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{addr::Tuple, schedule::NOBODY, state::Load};

/// How many members a question can rule out.
const RULED_OUT: usize = 4;

/// A connection that wants a member.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// The client's address in 32 bits, as HAProxy hashes it.
    pub client: u32,
    /// The client's port, in host order.
    pub port: u32,
    /// Monotonic time in nanoseconds.
    pub now: u64,
    /// Members that must not be the answer.
    pub avoid: Avoid,
}

impl Ask {
    /// The question of the client whose packets have this `tuple`, at a monotonic time in nanoseconds.
    #[inline(always)]
    #[must_use]
    pub const fn new(tuple: &Tuple, now: u64, avoid: Avoid) -> Self {
        Self { client: tuple.src.folded(), port: tuple.sport.get() as u32, now, avoid }
    }
}

/// Up to four members that a connection must not be given, such as those that failed it already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(transparent)]
pub struct Avoid([u32; RULED_OUT]);

impl Default for Avoid {
    fn default() -> Self {
        Self::NONE
    }
}

impl Avoid {
    /// How many members it can name.
    pub(crate) const ROOM: u32 = RULED_OUT as u32;
    /// Everybody will do.
    pub const NONE: Self = Self([NOBODY; RULED_OUT]);

    /// These members besides; the one named first is forgotten when there are too many.
    #[inline(always)]
    #[must_use]
    pub const fn with(self, member: u32) -> Self {
        let [_, b, c, d] = self.0;
        Self([b, c, d, member])
    }

    /// Whether the member must not be the answer.
    #[inline(always)]
    pub const fn contains(&self, member: u32) -> bool {
        let [a, b, c, d] = self.0;
        member == a || member == b || member == c || member == d
    }
}

/// Which members may be the answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms<'a> {
    ask: &'a Ask,
    ejected_too: bool,
}

impl<'a> Terms<'a> {
    /// Everybody that the question allows and that is not ejected.
    #[inline(always)]
    pub(super) const fn of(ask: &'a Ask) -> Self {
        Self { ask, ejected_too: false }
    }

    /// The same, when nobody but ejected members is left.
    #[inline(always)]
    pub(super) const fn with_ejected(self) -> Self {
        Self { ejected_too: true, ..self }
    }

    /// Whether the member with this load may be the answer.
    #[inline(always)]
    pub(super) fn allow(&self, member: u32, load: &Load) -> bool {
        !self.ask.avoid.contains(member)
            && (self.ejected_too || load.out_until.get() <= self.ask.now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_four_are_avoided() {
        let avoid = (1..=5).fold(Avoid::NONE, Avoid::with);
        let avoided: Vec<u32> = (0..8).filter(|member| avoid.contains(*member)).collect();
        assert_eq!(avoided, [2, 3, 4, 5]);
    }
}
