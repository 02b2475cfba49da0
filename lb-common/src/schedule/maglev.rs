//! A table that keeps most clients with their member when the members change.
//!
//! After D. Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016,
//! section 3.4: every member has a permutation of the table's places of its own, and members take
//! turns in claiming the next place of theirs that is free. Here a member of
//! less than the largest weight sits out its share of the turns.

/// Of all tables but the largest, in places: a prime, 100 times as many as the members it is for.
const SMALL: usize = 5_003;
/// The largest table, in places: a prime.
const LARGE: usize = 65_537;

/// A free place.
const FREE: u32 = u32::MAX;

/// Places in the table of so many members.
///
/// There are but two sizes, because clients of tables of different size have nothing in common.
pub const fn places(members: usize) -> usize {
    if members <= SMALL / 100 { SMALL } else { LARGE }
}

/// A member that claims places.
#[derive(Clone, Copy, Debug)]
pub struct Seat {
    identity: u64,
    weight: u64,
    credit: u64,
    claimed: u64,
}

impl Seat {
    /// A member of this weight, not zero. The identity should be that of the member whatever
    /// becomes of the pool.
    pub const fn new(identity: u64, weight: u32) -> Self {
        Self { identity: mix(identity), weight: weight as u64, credit: 0, claimed: 0 }
    }

    /// The next place of this member's permutation; `size` is a prime.
    const fn next(&mut self, size: u64) -> usize {
        let (offset, skip) = (self.identity % size, (self.identity >> 32) % (size - 1) + 1);
        let place = (offset + self.claimed % size * skip) % size;
        self.claimed += 1;
        place as usize
    }
}

/// Fills a table, whose length is one of [`places`], with indexes into `seats`. Without members it
/// stays as it is.
pub fn fill(seats: &mut [Seat], table: &mut [u32]) {
    let Some(heaviest) = seats.iter().map(|seat| seat.weight).max() else { return };
    let size = table.len() as u64;
    table.fill(FREE);
    let mut free = table.len();
    loop {
        for (index, seat) in (0..).zip(seats.iter_mut()) {
            seat.credit += seat.weight;
            if seat.credit < heaviest {
                continue;
            }
            seat.credit -= heaviest;
            // While a place is free, the permutation gets to one.
            while free > 0 {
                let place = &mut table[seat.next(size)];
                if *place == FREE {
                    *place = index;
                    free -= 1;
                    break;
                }
            }
        }
        if free == 0 {
            return;
        }
    }
}

/// Spreads the bits of a word (the finalizer of SplitMix64).
const fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The identity of the member of each place.
    fn table(members: &[(u64, u32)], places: usize) -> Vec<u64> {
        let mut seats: Vec<Seat> =
            members.iter().map(|(identity, weight)| Seat::new(*identity, *weight)).collect();
        let mut table = vec![0; places];
        fill(&mut seats, &mut table);
        table.into_iter().map(|index| members[index as usize].0).collect()
    }

    fn equals(count: u64) -> Vec<(u64, u32)> {
        (0..count).map(|member| (0x0a00_0001_0050 + (member << 16), 1)).collect()
    }

    fn differing(a: &[u64], b: &[u64]) -> usize {
        a.iter().zip(b).filter(|(a, b)| a != b).count()
    }

    #[test]
    fn sizes_are_primes_large_enough() {
        for size in [SMALL, LARGE] {
            assert!((2..size).take_while(|n| n * n <= size).all(|n| !size.is_multiple_of(n)));
        }
        assert_eq!((places(0), places(50), places(51), places(4096)), (SMALL, SMALL, LARGE, LARGE));
    }

    #[test]
    fn one_member_more_or_less_moves_few_other_clients() {
        for count in [2, 10, 50] {
            let all = equals(count);
            let (with, without) = (table(&all, SMALL), table(&all[1..], SMALL));
            let lost = with.iter().filter(|member| **member == all[0].0).count();
            let moved = differing(&with, &without);
            assert!(moved >= lost);
            // The places of the lost member, and a small part of the others.
            assert!(moved - lost < SMALL / 8, "{count} members: {moved} moved, {lost} had to");
        }
    }

    #[test]
    fn the_order_of_members_does_not_matter_much() {
        let all = equals(10);
        let reversed: Vec<_> = all.iter().rev().copied().collect();
        assert!(differing(&table(&all, SMALL), &table(&reversed, SMALL)) < SMALL / 5);
    }

    #[test]
    fn nobody_has_no_table() {
        assert_eq!(table(&[], 0), [0; 0]);
    }

    proptest! {
        #[test]
        fn everybody_has_the_share_of_its_weight(
            weights in proptest::collection::vec(1_u32..=256, 1..50),
        ) {
            let members: Vec<_> = (0..).zip(weights.iter().copied()).collect();
            let table = table(&members, SMALL);
            let total: u32 = weights.iter().sum();
            for (identity, weight) in members {
                let had = table.iter().filter(|member| **member == identity).count() as u64;
                let due = SMALL as u64 * u64::from(weight) / u64::from(total);
                prop_assert!(had.abs_diff(due) <= 1 + due / 50, "{had} places, not {due}");
            }
        }
    }
}
