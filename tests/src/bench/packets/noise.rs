//! What is measured where nothing is done.

use super::error::Error;
use super::harness::Harness;
use super::measure::Effort;
use super::stats::Summary;
use crate::datapath::{Hook, Tested};

/// Times of programs that decide nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noise {
    /// A program that only returns, many times in a row.
    pub(super) row: Summary,
    /// The same, run one by one.
    pub(super) one: Summary,
    /// The harness, in a row.
    pub(super) harness: Summary,
}

impl Noise {
    pub(super) fn measure(under_test: &Tested<'_>, effort: Effort) -> Result<Self, Error> {
        debug_assert_eq!(under_test.hook, Hook::Tc);
        let shown = Harness::new(under_test, &[vec![0; 64]], None)?;
        let (mut row, mut one, mut harness) = (Vec::new(), Vec::new(), Vec::new());
        shown.run_nothing(effort.packets)?;
        for _ in 0..effort.batches {
            row.push(shown.run_nothing(effort.packets)?.each.into());
            harness.push(shown.run_alone(effort.packets)?.each.into());
        }
        for _ in 0..1000 {
            one.push(shown.run_nothing(1)?.each.into());
        }
        let summary = |all| Summary::of(all).ok_or(Error::Connections { wanted: 1, found: 0 });
        Ok(Self { row: summary(row)?, one: summary(one)?, harness: summary(harness)? })
    }
}
