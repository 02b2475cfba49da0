//! The tables of the methods that go by one.

use lb_common::{
    schedule::{
        Cycle, Places, Share, Turn,
        maglev::{self, Seat},
    },
    state::{Method, Slot},
};
use zerocopy::IntoBytes as _;

/// Longest table of a method; weights of a set that would need more are rounded.
pub(super) const LONGEST: u32 = 65_536;

/// The indexes of the members in the order that the method looks them up in; empty for a method
/// that has none.
pub(super) fn order(method: Method, slots: &[Slot]) -> Vec<u32> {
    let usable: Vec<Slot> = slots.iter().filter(|slot| slot.weight > 0).copied().collect();
    match method {
        Method::RoundRobin => round_robin(&usable),
        Method::SourceIp => source(&usable),
        Method::SourceIpPort => consistent(&usable),
        Method::LeastConn | Method::LeastResponseTime => Vec::new(),
    }
}

fn round_robin(slots: &[Slot]) -> Vec<u32> {
    let mut turns: Vec<Turn> = weights(slots).into_iter().map(Turn::new).collect();
    let cycle = Cycle::new(&mut turns);
    let period = cycle.period() as usize;
    cycle.take(period).map(|slot| slots[slot].member).collect()
}

fn source(slots: &[Slot]) -> Vec<u32> {
    let mut shares: Vec<Share> = weights(slots).into_iter().map(Share::new).collect();
    Places::new(&mut shares).map(|slot| slots[slot].member).collect()
}

fn consistent(slots: &[Slot]) -> Vec<u32> {
    if slots.is_empty() {
        return Vec::new();
    }
    let mut seats: Vec<Seat> =
        slots.iter().map(|slot| Seat::new(identity(slot), slot.weight)).collect();
    let mut table = vec![0; maglev::places(slots.len())];
    maglev::fill(&mut seats, &mut table);
    table.into_iter().map(|slot| slots[slot as usize].member).collect()
}

/// A number for the member's address and port: these stay, while indexes and places in the
/// configuration do not.
fn identity(slot: &Slot) -> u64 {
    let bytes = slot.address.as_bytes().iter().chain(slot.port.as_bytes());
    // FNV-1a in 64 bits.
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
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
    use std::net::Ipv4Addr;

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
        assert_eq!(order(Method::SourceIp, &slots), [11, 11, 11, 13]);
        assert_eq!(order(Method::LeastConn, &slots), [0; 0]);
        for method in [Method::RoundRobin, Method::SourceIp, Method::SourceIpPort] {
            assert_eq!(order(method, &slots[..1]), [0; 0]);
        }
    }

    #[test]
    fn a_consistent_table_does_not_go_by_indexes() {
        let slot = |member, host| Slot {
            member,
            weight: WEIGHT_ONE,
            address: Ipv4Addr::new(10, 0, 0, host).into(),
            ..Slot::default()
        };
        let hosts = |table: Vec<u32>, first: u32| -> Vec<u32> {
            table.into_iter().map(|member| member.abs_diff(first)).collect()
        };
        let ascending = order(Method::SourceIpPort, &[slot(0, 1), slot(1, 2), slot(2, 3)]);
        let other = order(Method::SourceIpPort, &[slot(7, 1), slot(8, 2), slot(9, 3)]);
        assert_eq!(hosts(ascending, 0), hosts(other, 7));
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
