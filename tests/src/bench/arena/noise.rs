//! What else the machine does.

use std::thread;
use std::time::Duration;

use super::error::Error;
use super::usage::Spent;

/// How long nothing is done to see who else does something.
const LOOK: Duration = Duration::from_millis(300);
/// Share of the machine, of 1, that others may take without a word about it.
const QUIET: f64 = 0.05;

/// What disturbed a round, if anything did.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Noise {
    /// Share of the machine that others used while the bench did nothing.
    pub(super) busy: f64,
    /// Largest share that was stolen from the machine during a peer's turn.
    pub(super) stolen: f64,
}

impl Noise {
    /// Looks for a moment. All peers run, and do nothing.
    ///
    /// # Errors
    /// When the kernel does not say how busy it is.
    pub(super) fn listen() -> Result<Self, Error> {
        let before = Spent::by(None)?;
        thread::sleep(LOOK);
        let used = before.until(Spent::by(None)?);
        let cpus = thread::available_parallelism().map_or(1, usize::from);
        let all = LOOK.as_secs_f64() * cpus as f64;
        Ok(Self { busy: used.machine.as_secs_f64() / all, stolen: used.stolen })
    }

    /// Takes note of what was stolen.
    pub(super) const fn stolen(&mut self, share: f64) {
        self.stolen = self.stolen.max(share);
    }

    /// Whether figures of the round mean less for it.
    pub(super) const fn disturbs(self) -> bool {
        self.busy > QUIET || self.stolen > QUIET
    }
}
