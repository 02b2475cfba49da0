//! What a connection takes of its member: a NAT port, or the client's own address and port.

use zerocopy::FromZeros;

use crate::{
    addr::Tuple,
    forward::{
        Declined, keep,
        open::{Wish, refuse},
        search::{Search, Walk},
    },
    ports::{self, Syn},
    state::{FlowKey, Mode, Pool, PortKey, Slot},
    tables::{InsertError, Tables},
    verdict::RefuseReason,
};

/// The member that a connection is about to be given to.
#[derive(Default, FromZeros)]
pub(super) struct Goal {
    /// The member.
    pub(super) slot: Slot,
    /// Index of its pool.
    pub(super) pool: u32,
    /// The pool's mode.
    pub(super) mode: Mode,
    /// Monotonic time in nanoseconds.
    pub(super) now: u64,
    /// The connection's turn among the half-open ones.
    pub(super) ticket: u32,
    /// What a member in TIME_WAIT will judge.
    pub(super) syn: Syn,
    /// What the client's port was used for before, if its NAT port is still taken: source and destination
    /// of packets to a member, or zeros.
    pub(super) former: Tuple,
    /// Where the search for a port is.
    pub(super) walk: Walk,
    /// Whether the client's own port is to be had.
    pub(super) kept: u32,
    /// Source and destination of packets to the member, when there is a port.
    pub(super) outgoing: Tuple,
    /// The key of its answers.
    pub(super) answers: FlowKey,
    /// The block of ports that the search is in.
    pub(super) block: PortKey,
}

/// Finds the source of the wish's connection towards the member, and inserts the entry for its answers if
/// they come across the node. Where the client's own address and port are taken, the goal becomes another
/// member.
#[inline(always)]
pub(super) fn source<T: Tables>(
    tables: &T,
    wish: &mut Wish,
    pool: &Pool,
    goal: &mut Goal,
) -> Result<(), Declined> {
    let outcome = match goal.mode {
        Mode::Nat => search(tables, &wish.client, pool, goal),
        Mode::Dnat | Mode::Dsr => keep::client(tables, wish, pool, goal),
    };
    match outcome {
        FOUND => Ok(()),
        NO_PORT => Err(refuse(RefuseReason::NoPort)),
        TAKEN => Err(refuse(RefuseReason::ClientPortTaken)),
        _ => Err(refuse(RefuseReason::TableFull)),
    }
}

/// Gives back what [`source`] found for a connection of the client with `key` that did not come to be.
#[inline(always)]
pub(super) fn give_back<T: Tables>(tables: &T, key: &FlowKey, goal: &Goal) {
    match goal.mode {
        Mode::Nat => ports::release(tables, &goal.answers),
        Mode::Dnat => keep::give_back(tables, key, &goal.answers),
        Mode::Dsr => {}
    }
}

/// There is a port.
pub(super) const FOUND: u32 = 0;
/// There is none.
pub(super) const NO_PORT: u32 = 1;
/// There is no room for the entry.
pub(super) const FULL: u32 = 2;
/// The client's own is in use towards every member that could have it.
pub(super) const TAKEN: u32 = 3;

#[inline(never)]
fn search<T: Tables>(tables: &T, key: &FlowKey, pool: &Pool, goal: &mut Goal) -> u32 {
    goal.walk.begin(key, pool);
    tables.repeat(goal.walk.turns(), &mut Search { key, pool, goal });
    goal.walk.result()
}

/// Inserts the entry for the goal's answers, which belong to the client with `key`.
#[inline(always)]
pub(super) fn insert<T: Tables>(tables: &T, key: &FlowKey, goal: &Goal) -> Result<(), InsertError> {
    let (member, pool, mode, now) = (goal.slot.member, goal.pool, goal.mode, goal.now);
    tables.put_flow(&goal.answers, false, |flow| {
        flow.rewrite.set_back(&goal.answers.tuple, &key.tuple);
        flow.begin(member, pool, mode, true, now);
    })
}
