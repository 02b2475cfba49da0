//! Every answer of the schedule against the rules, spelled out the slow way.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

mod cost;
mod set;

use lb_common::addr::Tuple;
use lb_common::host::HostTables;
use lb_common::schedule::{self, Ask, Avoid};
use lb_common::state::{Method, Slot, WEIGHT_ONE};
use lb_common::tables::Tables as _;
use lb_common::verdict::RefuseReason;
use proptest::prelude::*;

use set::{NOW, POOL, eject, pool, seated};

/// What happens to a pool.
#[derive(Clone, Debug)]
enum Step {
    /// A client that must not get these members asks, and gets a connection.
    Open(u32, Vec<u32>),
    /// The member's connection ends, if it has one.
    Close(u32),
    /// The member is ejected until now plus this.
    Eject(u32, i64),
    /// So much time goes by.
    Later(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let avoid = prop_oneof![3 => Just(vec![]), 1 => proptest::collection::vec(0_u32..9, 0..=4)];
    prop_oneof![
        6 => (any::<u32>(), avoid).prop_map(|(client, avoid)| Step::Open(client, avoid)),
        3 => (0_u32..9).prop_map(Step::Close),
        2 => (0_u32..9, -1_i64..6).prop_map(|(member, until)| Step::Eject(member, until)),
        1 => (1_u64..4).prop_map(Step::Later),
    ]
}

/// Weights and limits; indexes of members have gaps.
fn slots() -> impl Strategy<Value = Vec<Slot>> {
    let one = (any::<bool>(), 0_u32..4, prop_oneof![2 => Just(0), 1 => 1_u32..4]);
    proptest::collection::vec(one, 0..9).prop_map(|all| {
        let slot = |(member, (there, weight, limit)): (u32, (bool, u32, u32))| {
            let weight = weight * WEIGHT_ONE;
            there.then(|| Slot { member, weight, limit, ..Slot::default() })
        };
        seated((0..).zip(all).filter_map(slot).collect())
    })
}

fn method() -> impl Strategy<Value = Method> {
    prop_oneof![
        Just(Method::RoundRobin),
        Just(Method::LeastConn),
        Just(Method::SourceIp),
        Just(Method::SourceIpPort),
        Just(Method::LeastResponseTime),
    ]
}

/// Everybody that the rules allow.
fn allowed(tables: &HostTables, slots: &[Slot], ask: &Ask) -> Vec<Slot> {
    let load = |slot: &Slot| tables.load(slot.member).unwrap();
    let has_room = |slot: &&Slot| {
        slot.weight > 0
            && (slot.limit == 0 || load(slot).active.get() < slot.limit)
            && !ask.avoid.contains(slot.member)
    };
    let all: Vec<Slot> = slots.iter().filter(has_room).copied().collect();
    let is_in = |slot: &&Slot| load(slot).out_until.get() <= ask.now;
    let not_ejected: Vec<Slot> = all.iter().filter(is_in).copied().collect();
    if not_ejected.is_empty() { all } else { not_ejected }
}

/// The least loaded of these.
fn least(tables: &HostTables, slots: &[Slot]) -> Option<u32> {
    let key = |slot: &&Slot| {
        let load = tables.load(slot.member).unwrap();
        let pressure = match u64::from(load.active.get()) {
            0 => 0,
            active => (active + 1) * 4096 / u64::from(slot.weight),
        };
        (pressure, load.stamp.get(), slot.member)
    };
    slots.iter().min_by_key(key).map(|slot| slot.member)
}

proptest! {
    #[test]
    fn an_answer_keeps_the_rules(
        method in method(),
        slots in slots(),
        steps in proptest::collection::vec(step(), 0..60),
    ) {
        let tables = HostTables::default();
        tables.now.set(NOW);
        let pool = pool(&tables, method, &slots);
        for step in steps {
            match step {
                Step::Open(client, avoid) => {
                    let src = std::net::Ipv4Addr::from(client).into();
                    let tuple = Tuple { src, ..Tuple::default() };
                    let avoid = avoid.into_iter().fold(Avoid::NONE, Avoid::with);
                    let ask = Ask::new(&tuple, tables.now.get(), avoid);
                    let allowed = allowed(&tables, &slots, &ask);
                    let answer = schedule::pick(&tables, POOL, &pool, &ask);
                    if let Ok(slot) = answer {
                        prop_assert!(allowed.contains(&slot), "{slot:?} of {allowed:?}");
                        if method == Method::LeastConn {
                            prop_assert_eq!(Some(slot.member), least(&tables, &allowed));
                        }
                        schedule::opened(&tables, POOL, slot.member);
                        continue;
                    }
                    prop_assert_eq!(&allowed, &[]);
                    let full = pool.members > 0 && avoid == Avoid::NONE;
                    let reason = if full { RefuseReason::MembersFull } else { RefuseReason::NoMember };
                    prop_assert_eq!(answer, Err(reason));
                }
                Step::Close(member) => {
                    if tables.load(member).unwrap().active.get() > 0 {
                        schedule::closed(&tables, POOL, member);
                    }
                }
                Step::Eject(member, until) => {
                    eject(&tables, member, tables.now.get().checked_add_signed(until).unwrap());
                }
                Step::Later(by) => tables.now.set(tables.now.get() + by),
            }
        }
    }
}

#[test]
fn the_fastest_member_is_chosen_even_where_members_can_be_full() {
    let tables = HostTables::default();
    tables.now.set(NOW);
    let slot = |member| Slot { member, weight: WEIGHT_ONE, limit: 9, ..Slot::default() };
    let pool = pool(&tables, Method::LeastResponseTime, &[slot(0), slot(1)]);
    for (member, active, response) in [(0, 1, 90_000), (1, 3, 10)] {
        let load = tables.load(member).unwrap();
        load.active.set(active);
        load.response.set(response);
        load.measured.set(NOW);
    }
    let ask = Ask::new(&Tuple::default(), NOW, Avoid::NONE);
    assert_eq!(schedule::pick(&tables, POOL, &pool, &ask).unwrap().member, 1);
}
