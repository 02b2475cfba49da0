//! Round robin as HAProxy does it, laid out as a cycle of ticks.
//!
//! With a total weight `W`, a member of weight `w` wants its next turn `W / w` turns
//! after its last. The earliest wish that is due is served; when none is due, the
//! heaviest member that has not had a turn yet goes first, then the earliest wish. The
//! order is that of `balance roundrobin` (HAProxy configuration manual, section 4.2;
//! 3:1 gives a a a b).
//!
//! After `W / gcd` turns everybody has had the turns the weights promise and the order
//! starts again, so a cycle and a counter are all the datapath needs. For some large
//! weights without a common divisor (170:90:131) HAProxy is one turn off at the end of a cycle and
//! drifts from there; here nobody gets more than the share.

use core::cmp::Reverse;

/// What the order must remember of a member.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    weight: u64,
    taken: u64,
    wish: Option<Wish>,
}

/// When a member that had a turn wants the next one.
#[derive(Clone, Copy, Debug)]
struct Wish {
    due: u64,
    /// What is left of `W / w` after the division, summed up; below the weight.
    rest: u64,
    /// The last turn; among equal wishes the older one is served.
    last: u64,
}

impl Turn {
    /// A member of this weight, 1 to 256, that has not had a turn.
    pub const fn new(weight: u32) -> Self {
        Self { weight: weight as u64, taken: 0, wish: None }
    }
}

/// An endless order of members, given as indexes into the slice it was made of.
#[derive(Debug)]
pub struct Cycle<'a> {
    members: &'a mut [Turn],
    total: u64,
    gcd: u64,
    now: u64,
}

impl<'a> Cycle<'a> {
    /// The order of `members`, none of which has had a turn or a weight of zero.
    pub fn new(members: &'a mut [Turn]) -> Self {
        let total = members.iter().map(|member| member.weight).sum();
        let gcd = members.iter().fold(0, |gcd, member| greatest_common(gcd, member.weight));
        Self { members, total, gcd, now: 0 }
    }

    /// Turns after which the order repeats; zero without members.
    pub fn period(&self) -> u64 {
        self.total.checked_div(self.gcd).unwrap_or(0)
    }

    fn next_index(&self) -> Option<usize> {
        let owed = |member: &Turn| member.taken * self.gcd < member.weight;
        let members = || self.members.iter().enumerate().filter(|(_, member)| owed(member));
        let waiting = members()
            .filter_map(|(index, member)| {
                let wish = member.wish?;
                // Equal wishes are sorted by what rounding owes them, then by age.
                let order = (wish.due, wish.rest as i64 - member.weight as i64, wish.last);
                Some((order, index))
            })
            .min();
        if let Some(((due, ..), index)) = waiting
            && due <= self.now
        {
            return Some(index);
        }
        let fresh = members().filter(|(_, member)| member.wish.is_none());
        let heaviest = fresh.min_by_key(|(_, member)| Reverse(member.weight));
        heaviest.map(|(index, _)| index).or(waiting.map(|(_, index)| index))
    }

    fn start_again(&mut self) {
        self.now = 0;
        for member in self.members.iter_mut() {
            *member = Turn { taken: 0, wish: None, ..*member };
        }
    }
}

impl Iterator for Cycle<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if self.now == self.period() {
            self.start_again();
        }
        let index = self.next_index()?;
        let (now, total) = (self.now, self.total);
        let member = self.members.get_mut(index)?;
        let (from, rest) = member.wish.map_or((now, 0), |wish| (wish.due, wish.rest));
        let rest = rest + total % member.weight;
        let carry = u64::from(rest >= member.weight);
        member.wish = Some(Wish {
            due: from + total / member.weight + carry,
            rest: rest - carry * member.weight,
            last: now,
        });
        member.taken += 1;
        self.now += 1;
        Some(index)
    }
}

const fn greatest_common(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common(b, a % b) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn order(weights: &[u32], turns: usize) -> Vec<usize> {
        let mut members: Vec<_> = weights.iter().copied().map(Turn::new).collect();
        Cycle::new(&mut members).take(turns).collect()
    }

    fn period(weights: &[u32]) -> usize {
        let mut members: Vec<_> = weights.iter().copied().map(Turn::new).collect();
        Cycle::new(&mut members).period() as usize
    }

    #[test]
    fn three_to_one() {
        assert_eq!(order(&[3, 1], 8), [0, 0, 0, 1, 0, 0, 0, 1]);
    }

    #[test]
    fn equal_weights_alternate() {
        assert_eq!(order(&[1, 1], 4), [0, 1, 0, 1]);
        assert_eq!(order(&[256, 256, 256], 6), [0, 1, 2, 0, 1, 2]);
        assert_eq!(period(&[256, 256, 256]), 3);
    }

    #[test]
    fn mixed_weights_interleave() {
        assert_eq!(order(&[5, 3], 8), [0, 0, 1, 0, 1, 0, 0, 1]);
        assert_eq!(order(&[4, 3, 2, 1], 10), [0, 1, 0, 2, 1, 0, 3, 0, 1, 2]);
        assert_eq!(order(&[7, 3, 2], 12), [0, 0, 1, 0, 2, 0, 1, 0, 0, 0, 1, 2]);
    }

    #[test]
    fn nobody_gets_no_turn() {
        assert_eq!(order(&[], 3), []);
        assert_eq!(period(&[]), 0);
    }

    proptest! {
        #[test]
        fn a_period_gives_everyone_its_share_and_repeats(
            weights in proptest::collection::vec(1u32..=256, 1..12),
        ) {
            let period = period(&weights);
            let turns = order(&weights, 2 * period);
            let total: u32 = weights.iter().sum();
            for (index, weight) in weights.iter().enumerate() {
                let had = turns[..period].iter().filter(|turn| **turn == index).count();
                prop_assert_eq!(had as u32 * total, weight * period as u32);
            }
            prop_assert_eq!(&turns[..period], &turns[period..]);
        }
    }
}
