//! How many members a connection looks at: a number that grows with the logarithm of theirs, whoever is
//! left out.

use lb_common::addr::Tuple;
use lb_common::host::HostTables;
use lb_common::schedule::{self, Ask, Avoid};
use lb_common::state::{MAX_MEMBERS, Method, Pool, Slot, WEIGHT_ONE};
use lb_common::tables::Tables as _;

use crate::set::{NOW, POOL, eject, pool};

const SIZES: [u32; 4] = [2, 64, 1024, MAX_MEMBERS as u32];
/// Connections that are watched.
const CONNECTIONS: u32 = 300;

/// A pool of so many members that has served a connection for each of them but the first `idle`.
fn busy(members: u32, limit: u32, idle: u32) -> (HostTables, Pool) {
    busy_by(Method::LeastConn, members, limit, idle)
}

fn busy_by(method: Method, members: u32, limit: u32, idle: u32) -> (HostTables, Pool) {
    let tables = HostTables::default();
    tables.now.set(NOW);
    let slot = |member| Slot { member, weight: WEIGHT_ONE, limit, ..Slot::default() };
    let slots: Vec<Slot> = (0..members).map(slot).collect();
    let pool = pool(&tables, method, &slots);
    // The first fills the tournament.
    open(&tables, &pool, Avoid::NONE);
    for member in idle..members {
        schedule::opened(&tables, POOL, member);
    }
    (tables, pool)
}

/// Opens a connection; which member it is given to.
fn open(tables: &HostTables, pool: &Pool, avoid: Avoid) -> u32 {
    let ask = Ask::new(&Tuple::default(), tables.now.get(), avoid);
    let member = schedule::pick(tables, POOL, pool, &ask).unwrap().member;
    schedule::opened(tables, POOL, member);
    member
}

/// The most members that one of the connections looks at.
fn most(tables: &HostTables, pool: &Pool, avoid: Avoid) -> u64 {
    let one = |_| {
        let before = tables.looked_at.get();
        open(tables, pool, avoid);
        tables.looked_at.get() - before
    };
    (0..CONNECTIONS).map(one).max().unwrap()
}

/// So many may be looked at: on the way from a leaf to the root two that compete in each match, and as
/// often whether they are out and who returns first.
fn bound(members: u32) -> u64 {
    6 * u64::from(members.ilog2()) + 12
}

#[track_caller]
fn holds(name: &str, members: u32, most: u64) {
    let bound = bound(members);
    assert!(most <= bound, "{name}, {members} members: {most} looked at, of {bound} at most");
}

#[test]
fn with_nobody_left_out() {
    for members in SIZES {
        let (tables, pool) = busy(members, 0, 0);
        holds("nobody out", members, most(&tables, &pool, Avoid::NONE));
    }
}

/// A connection that is accepted changes how long its member is expected to take.
#[test]
fn by_response_times() {
    for members in SIZES {
        let (tables, pool) = busy_by(Method::LeastResponseTime, members, 0, 0);
        let one = |took: u32| {
            let before = tables.looked_at.get();
            let member = open(&tables, &pool, Avoid::NONE);
            schedule::accepted(&tables, POOL, member, u64::from(took) * 1_000);
            tables.looked_at.get() - before
        };
        let most = (0..CONNECTIONS).map(one).max().unwrap();
        assert!(most <= 2 * bound(members), "{members} members: {most} looked at");
    }
}

#[test]
fn who_does_not_go_by_response_times_looks_at_nobody_then() {
    for method in [Method::RoundRobin, Method::LeastConn] {
        let (tables, _) = busy_by(method, 64, 0, 0);
        let before = tables.looked_at.get();
        schedule::accepted(&tables, POOL, 3, 1_000_000);
        assert_eq!(tables.looked_at.get(), before, "{method:?}");
    }
}

#[test]
fn with_ejected_members() {
    for members in SIZES {
        // They have no connections, so they would have the next ones.
        for out in [1, members / 2, members - 1, members] {
            let (tables, pool) = busy(members, 0, out);
            (0..out).for_each(|member| eject(&tables, member, u64::MAX));
            holds(&format!("{out} ejected"), members, most(&tables, &pool, Avoid::NONE));
        }
    }
}

#[test]
fn with_full_members() {
    for members in SIZES {
        let (tables, pool) = busy(members, CONNECTIONS, 1);
        for member in 1..members {
            tables.load(member).unwrap().active.set(CONNECTIONS);
            schedule::opened(&tables, POOL, member);
            schedule::closed(&tables, POOL, member);
        }
        let before = tables.looked_at.get();
        open(&tables, &pool, Avoid::NONE);
        holds("all but one full", members, tables.looked_at.get() - before);
    }
}

#[test]
fn with_members_to_be_avoided() {
    for members in SIZES.into_iter().filter(|members| *members > 4) {
        let (tables, pool) = busy(members, 0, 4);
        eject(&tables, 9, u64::MAX);
        let avoid = (0..4).fold(Avoid::NONE, Avoid::with);
        // Each of the four is passed over on the way from the root to its leaf.
        let most = most(&tables, &pool, avoid);
        assert!(most <= 5 * bound(members), "{members} members: {most} looked at");
    }
}

/// Each of them is let back in once, by whoever comes first after its time.
#[test]
fn when_all_are_let_back_in() {
    for members in SIZES {
        let (tables, pool) = busy(members, 0, members);
        for member in 0..members {
            eject(&tables, member, NOW + 1 + u64::from(member) * 7 % 5);
        }
        let before = tables.looked_at.get();
        for late in 0..6 {
            tables.now.set(NOW + late);
            open(&tables, &pool, Avoid::NONE);
        }
        let all = tables.looked_at.get() - before;
        let bound = bound(members) * u64::from(members + 6);
        assert!(all <= bound, "{members} members: {all} looked at, of {bound} at most");
        holds("afterwards", members, most(&tables, &pool, Avoid::NONE));
    }
}
