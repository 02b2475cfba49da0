//! When members' connections end that take no new ones.

use lb_common::state::{Drain, DrainCause};
use nix::time::ClockId;
use zerocopy::transmute;

use super::maps::failed;
use super::{DatapathError, Maps};
use crate::node::clock;

/// What becomes of the connections that a member has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// They go on as long as they like.
    GoesOn,
    /// They are reset after so many nanoseconds, which began when this was first asked for.
    Within(u64),
    /// They are reset at once: the member was marked down.
    Now,
}

/// How long, in nanoseconds, a packet that still saw the members before may take to open its connection.
const SETTLING: u64 = 10_000_000;

impl Ending {
    /// What follows a drain as it is, at a moment of the datapath's clock; none if it stays.
    fn after(self, before: Option<(u64, DrainCause)>, now: u64) -> Option<Drain> {
        match (self, before) {
            (Self::GoesOn, None) => None,
            (Self::GoesOn, Some((_, DrainCause::Timeout))) => Some(Drain::default()),
            // Who was there when the member was marked down ends, though it is up again.
            (Self::GoesOn, Some((end, DrainCause::MarkedDown))) => {
                (end > now).then(|| Drain::new(now, DrainCause::MarkedDown))
            }
            (Self::Within(time), Some((end, DrainCause::Timeout))) => {
                let shorter = now.saturating_add(time);
                (end > shorter).then(|| Drain::new(shorter, DrainCause::Timeout))
            }
            (Self::Within(time), None | Some((_, DrainCause::MarkedDown))) => {
                Some(Drain::new(now.saturating_add(time), DrainCause::Timeout))
            }
            (Self::Now, _) => Some(Drain::new(now + SETTLING, DrainCause::MarkedDown)),
        }
    }
}

impl Maps {
    /// When and why a member's connections end, if they do.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn drain(&self, member: u32) -> Result<Option<(u64, DrainCause)>, DatapathError> {
        let drain: Drain = transmute!(self.drains.get(&member, 0).map_err(failed("DRAINS"))?);
        Ok(drain.end())
    }

    /// Lets the connections go on of the members that may have new ones. Before they may: those are
    /// not to be taken for old ones.
    pub(super) fn release(&mut self, endings: &[(u32, Ending)]) -> Result<(), DatapathError> {
        self.end(endings, |ending| ending == Ending::GoesOn)
    }

    /// Ends the connections of the members that may have no new ones. When they may not any more:
    /// one that opens meanwhile is not to be missed.
    pub(super) fn retire(&mut self, endings: &[(u32, Ending)]) -> Result<(), DatapathError> {
        self.end(endings, |ending| ending != Ending::GoesOn)
    }

    /// Forgets what was to become of the connections of a member's predecessor.
    pub(super) fn clear_drain(&mut self, member: u32) -> Result<(), DatapathError> {
        self.set_drain(member, Drain::default())
    }

    fn end(
        &mut self,
        endings: &[(u32, Ending)],
        is_wanted: impl Fn(Ending) -> bool,
    ) -> Result<(), DatapathError> {
        let now = monotonic()?;
        for (member, ending) in endings.iter().filter(|(_, ending)| is_wanted(*ending)) {
            if let Some(drain) = ending.after(self.drain(*member)?, now) {
                self.set_drain(*member, drain)?;
            }
        }
        Ok(())
    }

    fn set_drain(&mut self, member: u32, drain: Drain) -> Result<(), DatapathError> {
        let drain: [u8; _] = transmute!(drain);
        self.drains.set(member, drain, 0).map_err(failed("DRAINS"))
    }
}

/// Nanoseconds of the datapath's clock.
fn monotonic() -> Result<u64, DatapathError> {
    let now = clock(ClockId::CLOCK_MONOTONIC).map_err(DatapathError::Clock)?;
    Ok(now.as_nanos() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_000_000_000_000;
    const SECOND: u64 = 1_000_000_000;

    fn after(ending: Ending, before: Option<(u64, DrainCause)>) -> Option<(u64, DrainCause)> {
        match ending.after(before, NOW) {
            Some(drain) => drain.end(),
            None => before,
        }
    }

    #[test]
    fn the_time_to_drain_begins_once_and_can_be_shortened() {
        let ends = |at| Some((at, DrainCause::Timeout));
        assert_eq!(after(Ending::Within(SECOND), None), ends(NOW + SECOND));
        let running = ends(NOW + SECOND / 2);
        assert_eq!(after(Ending::Within(SECOND), running), running);
        assert_eq!(after(Ending::Within(1), running), ends(NOW + 1));
        let over = ends(NOW - SECOND);
        assert_eq!(after(Ending::Within(SECOND), over), over);
        assert_eq!(after(Ending::GoesOn, running), None);
        assert_eq!(after(Ending::GoesOn, None), None);
    }

    #[test]
    fn who_was_there_when_a_member_was_marked_down_ends_whatever_follows() {
        let down = |at| Some((at, DrainCause::MarkedDown));
        assert_eq!(after(Ending::Now, None), down(NOW + SETTLING));
        assert_eq!(after(Ending::Now, down(NOW - SECOND)), down(NOW + SETTLING));
        assert_eq!(after(Ending::Now, Some((NOW, DrainCause::Timeout))), down(NOW + SETTLING));
        assert_eq!(after(Ending::GoesOn, down(NOW + SETTLING)), down(NOW));
        assert_eq!(after(Ending::GoesOn, down(NOW - SECOND)), down(NOW - SECOND));
    }
}
