//! How many ICMP errors a pool's connections are told of.

use zerocopy::{FromBytes, IntoBytes, KnownLayout};

use crate::atomic::{Atomics, Word64};

/// Nanoseconds that an error costs: a thousand are told of in a second.
pub const ERROR_COST: u64 = 1_000_000;

/// Nanoseconds that may be spent ahead of time: as many at once, when a way gets narrower for all
/// connections of a pool.
pub const ERROR_CREDIT: u64 = 1_000_000_000;

/// Until when a pool's budget is spent, in nanoseconds of monotonic time.
#[derive(Debug, Default, FromBytes, IntoBytes, KnownLayout)]
#[repr(transparent)]
pub struct Budget(pub Word64);

impl Budget {
    /// Spends what an error costs, if there is as much.
    ///
    /// CPUs that decide in the same instant can overshoot, each by one.
    #[inline(always)]
    pub fn spend(&self, atomics: &impl Atomics, now: u64) -> bool {
        let spent = self.0.get();
        if spent > now + ERROR_CREDIT {
            return false;
        }
        if spent < now {
            // Whoever was faster has set it anew; what this one costs is then nobody's loss.
            atomics.exchange64(&self.0, spent, now + ERROR_COST);
        } else {
            atomics.add64(&self.0, ERROR_COST);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::HostTables;

    const SECOND: u64 = 1_000_000_000;

    /// Errors told of at one instant, of as many as one likes.
    fn told(budget: &Budget, now: u64) -> u64 {
        let tables = HostTables::default();
        (0..10_000).filter(|_| budget.spend(&tables, now)).count() as u64
    }

    #[test]
    fn a_burst_is_told_of_and_then_a_thousand_each_second() {
        let (budget, burst) = (Budget::default(), ERROR_CREDIT / ERROR_COST + 1);
        let start = 5 * SECOND;
        assert_eq!(told(&budget, start), burst);
        assert_eq!(told(&budget, start), 0);
        assert_eq!(told(&budget, start + ERROR_COST - 1), 0);
        assert_eq!(told(&budget, start + ERROR_COST), 1);
        assert_eq!(told(&budget, start + SECOND / 2 + ERROR_COST), 500);
        assert_eq!(told(&budget, start + 100 * SECOND), burst);
    }

    #[test]
    fn however_they_come_no_second_has_more_than_the_burst_and_the_rate() {
        let (budget, tables) = (Budget::default(), HostTables::default());
        let mut told = 0;
        for step in 0..100_000_u64 {
            let now = SECOND + step * 37_813;
            told += u64::from(budget.spend(&tables, now));
            let most = (now - SECOND) / ERROR_COST + ERROR_CREDIT / ERROR_COST + 1;
            assert!(told <= most, "{told} at step {step}");
        }
    }
}
