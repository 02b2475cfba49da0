//! Members whose connections are to end.

use zerocopy::{FromBytes, IntoBytes, KnownLayout};

use crate::{atomic::Word64, state::PhaseBits};

/// When the connections end that a member still has while it takes no new ones. Written by user
/// space only, each time as a whole; all zero for never.
#[derive(Debug, Default, FromBytes, IntoBytes, KnownLayout)]
#[repr(transparent)]
pub struct Drain(Word64);

/// Why a member's connections end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrainCause {
    /// They were given time, and it is over (`drain_timeout`).
    Timeout,
    /// Its monitor found it down (`on-marked-down shutdown-sessions`, HAProxy configuration manual,
    /// section 5.2).
    MarkedDown,
}

/// The highest bit, which no time has, says that the member was marked down: time and cause change
/// as one.
const MARKED_DOWN: u64 = 1 << 63;

impl Drain {
    /// Connections opened at `end` or before end then; nanoseconds of monotonic time, not zero.
    #[must_use]
    pub const fn new(end: u64, cause: DrainCause) -> Self {
        Self(Word64::new(match cause {
            DrainCause::Timeout => end & !MARKED_DOWN,
            DrainCause::MarkedDown => end | MARKED_DOWN,
        }))
    }

    /// When and why connections end, if they do.
    #[must_use]
    pub fn end(&self) -> Option<(u64, DrainCause)> {
        let word = self.0.get();
        let marked_down = word & MARKED_DOWN != 0;
        let cause = if marked_down { DrainCause::MarkedDown } else { DrainCause::Timeout };
        (word != 0).then_some((word & !MARKED_DOWN, cause))
    }

    /// The fact that ends a connection `now` that was opened then; none if it goes on.
    #[inline(always)]
    #[must_use]
    pub fn fact(&self, opened: u64, now: u64) -> PhaseBits {
        let word = self.0.get();
        let end = word & !MARKED_DOWN;
        if word == 0 || end > now || opened > end {
            PhaseBits::NONE
        } else if word & MARKED_DOWN != 0 {
            PhaseBits::MARKED_DOWN
        } else {
            PhaseBits::DRAINED
        }
    }
}

const _: () = assert!(size_of::<Drain>() == 8);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_end_that_were_there_when_the_time_was_over() {
        for (cause, fact) in [
            (DrainCause::Timeout, PhaseBits::DRAINED),
            (DrainCause::MarkedDown, PhaseBits::MARKED_DOWN),
        ] {
            let drain = Drain::new(100, cause);
            assert_eq!(drain.end(), Some((100, cause)));
            assert_eq!(drain.fact(50, 99), PhaseBits::NONE, "not yet");
            assert_eq!(drain.fact(50, 100), fact);
            assert_eq!(drain.fact(100, 200), fact);
            assert_eq!(drain.fact(101, 200), PhaseBits::NONE, "opened later");
        }
    }

    #[test]
    fn without_a_time_nothing_ends() {
        assert_eq!(Drain::default().end(), None);
        assert_eq!(Drain::default().fact(0, u64::MAX), PhaseBits::NONE);
    }
}
