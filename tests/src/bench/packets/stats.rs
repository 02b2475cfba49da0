//! What several measurements of the same come to.

/// The middle of several measurements, and how far they lie apart; in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// As many were below it as above.
    pub median: i64,
    /// The least.
    pub min: i64,
    /// The most.
    pub max: i64,
}

impl Summary {
    /// Of these, none if there are none. Of an even number of them, the median is the lower one of the two in the middle.
    #[must_use]
    pub fn of(mut all: Vec<i64>) -> Option<Self> {
        all.sort_unstable();
        let (min, max) = (*all.first()?, *all.last()?);
        Some(Self { median: all[(all.len() - 1) / 2], min, max })
    }
}

#[cfg(test)]
mod tests {
    use super::Summary;

    #[test]
    fn the_median_does_not_move_with_what_lies_far_off() {
        let summary = Summary::of(vec![5, 900, 3, 4, -1]);
        assert_eq!(summary, Some(Summary { median: 4, min: -1, max: 900 }));
    }

    #[test]
    fn of_two_the_lower_one_is_taken() {
        assert_eq!(Summary::of(vec![2, 1]).map(|summary| summary.median), Some(1));
        assert_eq!(Summary::of(Vec::new()), None);
    }
}
