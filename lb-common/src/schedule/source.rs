//! The table of `balance source`, as HAProxy lays it out, so that clients keep their
//! member across a migration (HAProxy configuration manual, section 4.2, `hash-type map-based`).
//!
//! As many places as the weights' sum. Place by place every member gains its
//! weight, and the first in the configuration among those furthest ahead has the place and
//! pays the sum. "Furthest ahead" counts in whole sums only, as HAProxy does.

/// A member that gets places.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    weight: i64,
    score: i64,
}

impl Share {
    /// A member of this weight. Weights should have no common divisor.
    pub const fn new(weight: u32) -> Self {
        Self { weight: weight as i64, score: 0 }
    }
}

/// The member of each place, as an index into `shares`; as many places as there are turns.
#[derive(Debug)]
pub struct Places<'a> {
    shares: &'a mut [Share],
    left: i64,
    total: i64,
}

impl<'a> Places<'a> {
    /// The table of these members.
    pub fn new(shares: &'a mut [Share]) -> Self {
        let total = shares.iter().map(|share| share.weight).sum();
        Self { shares, left: total, total }
    }
}

impl Iterator for Places<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        let mut best: Option<(usize, i64)> = None;
        for (index, share) in self.shares.iter_mut().enumerate() {
            share.score += share.weight;
            let ahead = (share.score + self.total) / self.total;
            if share.weight > 0 && best.is_none_or(|(_, most)| ahead > most) {
                best = Some((index, ahead));
            }
        }
        let (index, _) = best?;
        self.shares[index].score -= self.total;
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table(weights: &[u32]) -> Vec<usize> {
        let mut shares: Vec<Share> = weights.iter().copied().map(Share::new).collect();
        Places::new(&mut shares).collect()
    }

    #[test]
    fn three_to_one_as_measured() {
        assert_eq!(table(&[3, 1]), [0, 0, 0, 1]);
    }

    #[test]
    fn the_first_is_the_first() {
        assert_eq!(table(&[1, 1, 1]), [0, 1, 2]);
        assert_eq!(table(&[1]), [0]);
        assert_eq!(table(&[]), [0; 0]);
    }

    proptest! {
        #[test]
        fn everybody_has_as_many_places_as_weight(
            weights in proptest::collection::vec(0_u32..=64, 0..12),
        ) {
            let table = table(&weights);
            for (index, weight) in weights.iter().enumerate() {
                let places = table.iter().filter(|member| **member == index).count();
                prop_assert_eq!(places as u32, *weight);
            }
        }

        /// So a divisor taken out, or left in, moves no client.
        #[test]
        fn a_common_factor_repeats_the_table(
            weights in proptest::collection::vec(1_u32..=16, 1..6), factor in 2_u32..5,
        ) {
            let multiplied: Vec<u32> = weights.iter().map(|weight| weight * factor).collect();
            prop_assert_eq!(table(&multiplied), table(&weights).repeat(factor as usize));
        }
    }
}
