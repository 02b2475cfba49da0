//! Every answer of the schedule against the rules, spelled out the slow way.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

mod cost;
mod set;

use lb_common::addr::Tuple;
use lb_common::host::HostTables;
use lb_common::schedule::{self, Ask, Avoid};
use lb_common::state::{Method, Pool, Slot, WEIGHT_ONE};
use lb_common::tables::Tables as _;
use lb_common::verdict::RefuseReason;
use proptest::prelude::*;

use set::{NOW, POOL, eject, pool, seated};

/// Logarithms of the schedule are wrong by so much: two of what changes, and two of the weights; and what ten seconds are rounded
/// to, since the machine was started.
const WRONG: f64 = 0.04;

/// What happens to a pool.
#[derive(Clone, Debug)]
enum Step {
    /// A client that must not get these members asks, and gets a connection.
    Open(u32, Vec<u32>),
    /// The member accepts a connection after so many microseconds.
    Accept(u32, u64),
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
        3 => (0_u32..9, 0_u32..23)
            .prop_map(|(member, power)| Step::Accept(member, (1 << power) + u64::from(power))),
        3 => (0_u32..9).prop_map(Step::Close),
        2 => (0_u32..9, -1_i64..6).prop_map(|(member, until)| Step::Eject(member, until)),
        1 => prop_oneof![1_u64..4, Just(1 << 31), Just(1 << 35)].prop_map(Step::Later),
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

/// The logarithm of the time that a new connection is expected to wait for the member, but for what all have in common; those whom
/// nobody knows before and behind all others.
fn wait(tables: &HostTables, slot: &Slot) -> f64 {
    const HALVED_AFTER: f64 = 10e9;
    let load = tables.load(slot.member).unwrap();
    let busy = f64::from(load.active.get() + 1).log2() - f64::from(slot.weight).log2();
    match (load.response.get(), load.active.get()) {
        (0, 0) => busy - 1e9,
        (0, _) => busy + 1e9,
        (average, _) => {
            busy + f64::from(average).log2() + load.measured.get() as f64 / HALVED_AFTER
        }
    }
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
                        if method == Method::LeastResponseTime {
                            let waits = allowed.iter().map(|slot| wait(&tables, slot));
                            let shortest = waits.fold(f64::INFINITY, f64::min);
                            prop_assert!(wait(&tables, &slot) < shortest + WRONG, "{slot:?}");
                        }
                        schedule::opened(&tables, POOL, slot.member);
                        continue;
                    }
                    prop_assert_eq!(&allowed, &[]);
                    let full = pool.members > 0 && avoid == Avoid::NONE;
                    let reason = if full { RefuseReason::MembersFull } else { RefuseReason::NoMember };
                    prop_assert_eq!(answer, Err(reason));
                }
                Step::Accept(member, after) => {
                    schedule::accepted(&tables, POOL, member, after * 1_000);
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
    for (member, active, response) in [(0, 1, 90_000_000), (1, 3, 10_000)] {
        (0..active).for_each(|_| schedule::opened(&tables, POOL, member));
        schedule::accepted(&tables, POOL, member, response);
    }
    assert_eq!(chosen(&tables, &pool), 1);
}

/// Two members, alike.
fn pair() -> [Slot; 2] {
    [0, 1].map(|member| Slot { member, weight: WEIGHT_ONE, ..Slot::default() })
}

/// Two members, of which the first was measured to take so many nanoseconds.
fn two(first: u64) -> (HostTables, Pool) {
    let tables = HostTables::default();
    tables.now.set(NOW);
    let pool = pool(&tables, Method::LeastResponseTime, &pair());
    schedule::accepted(&tables, POOL, 0, first);
    (tables, pool)
}

/// Who gets a connection now.
fn chosen(tables: &HostTables, pool: &Pool) -> u32 {
    let ask = Ask::new(&Tuple::default(), tables.now.get(), Avoid::NONE);
    schedule::pick(tables, POOL, pool, &ask).unwrap().member
}

/// Nobody hears of what a member does meanwhile.
#[test]
fn a_method_that_is_left_and_comes_back_knows_who_is_idle() {
    let (tables, before) = two(1_000_000);
    assert_eq!(chosen(&tables, &before), 1);
    schedule::opened(&tables, POOL, 1);
    assert_eq!(chosen(&tables, &before), 0);
    pool(&tables, Method::LeastConn, &pair());
    schedule::closed(&tables, POOL, 1);
    let again = pool(&tables, Method::LeastResponseTime, &pair());
    assert_eq!(chosen(&tables, &again), 1);
}

/// Its average has faded, and is believed no more than a connection's worth at a time.
#[test]
fn a_member_that_nobody_has_tried_for_long_does_not_get_all() {
    let (tables, pool) = two(50_000);
    schedule::accepted(&tables, POOL, 1, 50_000);
    tables.now.set(NOW + 600_000_000_000);
    schedule::accepted(&tables, POOL, 0, 50_000);
    let mut given = [0; 2];
    for _ in 0..510 {
        let member = chosen(&tables, &pool);
        given[member as usize] += 1;
        schedule::opened(&tables, POOL, member);
    }
    // One microsecond is a fiftieth of what the first one takes.
    assert!((8..=12).contains(&given[0]) && given[0] + given[1] == 510, "{given:?}");
}

/// It was slow once, and is not asked; the other one is, and slows down a little.
#[test]
fn a_member_that_was_slow_gets_another_chance() {
    let (tables, pool) = two(64_000_000);
    let after = |seconds: u64| {
        tables.now.set(NOW + seconds * 1_000_000_000);
        schedule::accepted(&tables, POOL, 1, 1_000_000);
        chosen(&tables, &pool)
    };
    // It takes six times ten seconds until 64 ms are less than one.
    assert_eq!([0, 30, 59, 61].map(after), [1, 1, 1, 0]);
}
