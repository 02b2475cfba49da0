//! What became of each tier, as a table and a sum.

use std::fmt::Write as _;
use std::time::Duration;

use super::tally::Tally;

/// The end of one tier.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    name: &'static str,
    pub(super) passed: u64,
    pub(super) failed: u64,
    seconds: u64,
    /// What the numbers do not say.
    notes: Vec<String>,
}

impl Outcome {
    /// Judges a run of `cargo test` that ended well (`success`) or not.
    ///
    /// A run that failed without a failed test (a crash, a compiler error) is one failure. So is a run without any
    /// test, unless a filter explains it: otherwise a tier whose tests got lost would pass.
    pub(super) fn of_tests(tally: Tally, success: bool, filtered: bool) -> Self {
        let Tally { passed, failed, ignored } = tally;
        let mut outcome = Self { passed, failed, ..Self::default() };
        if !success && failed == 0 {
            outcome.fail("did not run to its end");
        } else if passed + failed == 0 && filtered {
            outcome.note("no test matches the filter");
        } else if passed + failed == 0 {
            outcome.fail("ran no test");
        }
        if ignored > 0 {
            outcome.note(&format!("{ignored} ignored"));
        }
        outcome
    }

    /// One failure, because of `note`.
    pub(super) fn broken(note: &str) -> Self {
        let mut outcome = Self::default();
        outcome.fail(note);
        outcome
    }

    pub(super) fn fail(&mut self, note: &str) {
        self.failed += 1;
        self.note(note);
    }

    pub(super) fn note(&mut self, note: &str) {
        self.notes.push(note.to_owned());
    }

    pub(super) fn named(self, name: &'static str, took: Duration) -> Self {
        Self { name, seconds: took.as_secs(), ..self }
    }
}

/// The table and, as the last line, the sum.
pub(super) fn table(outcomes: &[Outcome]) -> String {
    let mut text = format!("\n{:<8}{:>8}{:>8}{:>9}\n", "tier", "passed", "failed", "seconds");
    for Outcome { name, passed, failed, seconds, notes } in outcomes {
        let row = format!("{name:<8}{passed:>8}{failed:>8}{seconds:>9}  {}", notes.join("; "));
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", row.trim_end());
    }
    let (passed, failed) = sum(outcomes);
    let _ = writeln!(text, "\n{passed} passed, {failed} failed");
    text
}

/// Whether something passed and nothing failed.
pub(super) fn good(outcomes: &[Outcome]) -> bool {
    matches!(sum(outcomes), (1.., 0))
}

fn sum(outcomes: &[Outcome]) -> (u64, u64) {
    (
        outcomes.iter().map(|outcome| outcome.passed).sum(),
        outcomes.iter().map(|outcome| outcome.failed).sum(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Tally = Tally { passed: 0, failed: 0, ignored: 0 };
    const THREE: Tally = Tally { passed: 3, failed: 0, ignored: 1 };

    #[test]
    fn tier_without_tests_fails() {
        let outcome = Outcome::of_tests(NOTHING, true, false);
        assert_eq!((outcome.passed, outcome.failed), (0, 1));
        assert!(!good(&[Outcome::of_tests(THREE, true, false), outcome]));
    }

    #[test]
    fn tier_of_ignored_tests_only_fails() {
        assert_eq!(Outcome::of_tests(Tally { ignored: 4, ..NOTHING }, true, false).failed, 1);
    }

    #[test]
    fn filter_may_leave_a_tier_empty_but_not_all() {
        let empty = Outcome::of_tests(NOTHING, true, true);
        assert_eq!(empty.failed, 0);
        assert!(!good(std::slice::from_ref(&empty)));
        assert!(good(&[empty, Outcome::of_tests(THREE, true, true)]));
    }

    #[test]
    fn crash_counts_as_one_failure_and_failed_tests_as_themselves() {
        assert_eq!(Outcome::of_tests(THREE, false, false).failed, 1);
        assert_eq!(Outcome::of_tests(Tally { failed: 2, ..THREE }, false, false).failed, 2);
    }

    #[test]
    fn last_line_is_the_sum() {
        let tiers = [
            Outcome::of_tests(THREE, true, false).named("pure", Duration::from_secs(2)),
            Outcome::broken("did not run to its end").named("netns", Duration::from_secs(61)),
        ];
        assert_eq!(
            table(&tiers),
            "\n\
             tier      passed  failed  seconds\n\
             pure           3       0        2  1 ignored\n\
             netns          0       1       61  did not run to its end\n\
             \n\
             3 passed, 1 failed\n"
        );
    }
}
