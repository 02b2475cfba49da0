//! The tables of the methods that go by one.

use lb_common::{
    schedule::{Cycle, Turn},
    state::{Method, Slot},
};

/// Longest table of a method; weights of a set that would need more are rounded.
pub(super) const LONGEST: u32 = 65_536;

/// The indexes of the members in the order that the method looks them up in; empty for a method
/// that has none.
pub(super) fn order(method: Method, slots: &[Slot]) -> Vec<u32> {
    let usable: Vec<Slot> = slots.iter().filter(|slot| slot.weight > 0).copied().collect();
    match method {
        Method::RoundRobin => round_robin(&usable),
        Method::LeastConn => Vec::new(),
    }
}

fn round_robin(slots: &[Slot]) -> Vec<u32> {
    let mut turns: Vec<Turn> = weights(slots).into_iter().map(Turn::new).collect();
    let cycle = Cycle::new(&mut turns);
    let period = cycle.period() as usize;
    cycle.take(period).map(|slot| slots[slot].member).collect()
}

/// Weights without a common divisor whose sum is not above [`LONGEST`].
fn weights(slots: &[Slot]) -> Vec<u32> {
    let divisor = slots.iter().fold(0, |divisor, slot| greatest_common(divisor, slot.weight));
    let reduced = |by: u32| slots.iter().map(move |slot| (slot.weight / by).max(1));
    let mut by = divisor.max(1);
    while reduced(by).sum::<u32>() > LONGEST {
        by = by * 5 / 4 + 1;
    }
    reduced(by).collect()
}

const fn greatest_common(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common(b, a % b) }
}

#[cfg(test)]
mod tests {
    use lb_common::state::WEIGHT_ONE;

    use super::*;

    fn slots(weights: impl IntoIterator<Item = u32>) -> Vec<Slot> {
        let slot = |(member, weight)| Slot { member, weight, ..Slot::default() };
        (10..).zip(weights).map(slot).collect()
    }

    #[test]
    fn members_without_weight_have_no_turn() {
        let slots = slots([0, 3 * WEIGHT_ONE, 0, WEIGHT_ONE]);
        assert_eq!(order(Method::RoundRobin, &slots), [11, 11, 11, 13]);
        assert_eq!(order(Method::LeastConn, &slots), [0; 0]);
    }

    #[test]
    fn the_largest_pool_has_a_table_that_ends() {
        let most = slots((0..4096).map(|member| (1 + member % 256) * WEIGHT_ONE));
        let order = order(Method::RoundRobin, &most);
        assert!(order.len() <= LONGEST as usize, "{}", order.len());
        let turns = |wanted| order.iter().filter(|member| **member == wanted).count();
        assert!((100..=150).contains(&(turns(10 + 255) * 100 / turns(10 + 199))));
        assert!(most.iter().all(|slot| turns(slot.member) > 0));
    }
}
