//! Sets of members for the schedule to choose from.

use std::rc::Rc;

use lb_common::host::HostTables;
use lb_common::schedule;
use lb_common::state::{Method, Node, Pool, Slot};

pub(crate) const POOL: u32 = 3;
pub(crate) const NOW: u64 = 1 << 40;

/// The members, each in its place.
pub(crate) fn seated(mut slots: Vec<Slot>) -> Vec<Slot> {
    schedule::seat(&mut slots);
    slots
}

/// Makes these the members of the pool, with a tournament that nobody has played yet.
pub(crate) fn pool(tables: &HostTables, method: Method, slots: &[Slot]) -> Pool {
    let slots = seated(slots.to_vec());
    let usable = || slots.iter().filter(|slot| slot.weight > 0);
    let limits = usable().any(|slot| slot.limit > 0);
    let pool = Pool {
        generation: 1,
        method: method as u32,
        ticks: usable().count() as u32,
        leaves: (slots.len() as u32).max(2).next_power_of_two(),
        members: usable().count() as u32,
        tournament: method.tournament(limits),
        ..Pool::default()
    };
    for slot in &slots {
        tables.seats.borrow_mut().insert(pool.part(POOL, slot.leaf.into()), slot.member);
        tables.slots.borrow_mut().insert(pool.part(POOL, slot.member), *slot);
    }
    for (tick, slot) in (0..).zip(usable()) {
        tables.ticks.borrow_mut().insert(pool.part(POOL, tick), slot.member);
    }
    for node in 0..pool.leaves {
        tables.nodes.borrow_mut().insert(pool.part(POOL, node), Rc::new(Node::default()));
    }
    tables.pools.borrow_mut().insert(POOL, Rc::new(pool));
    pool
}

/// Leaves a member out until then.
pub(crate) fn eject(tables: &HostTables, member: u32, until: u64) {
    schedule::leave_out(tables, POOL, member, until);
}
