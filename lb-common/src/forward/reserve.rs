//! NAT ports: the one that a connection gets.

use crate::{
    addr::Tuple,
    forward::{
        Declined,
        open::refuse,
        search::{Search, Walk},
    },
    ports::Syn,
    state::{FlowKey, Pool, PortKey, Slot},
    tables::{InsertError, Tables},
    verdict::RefuseReason,
};

/// The member that a connection is about to be given to.
#[derive(Default)]
pub(super) struct Goal {
    /// The member.
    pub(super) slot: Slot,
    /// Index of its pool.
    pub(super) pool: u32,
    /// Monotonic time in nanoseconds.
    pub(super) now: u64,
    /// What a member in TIME_WAIT will judge.
    pub(super) syn: Syn,
    /// What the client's port was used for before, if its NAT port is still taken: source and destination
    /// of packets to a member, or zeros.
    pub(super) former: Tuple,
    /// Where the search for a port is.
    pub(super) walk: Walk,
    /// Source and destination of packets to the member, when there is a port.
    pub(super) outgoing: Tuple,
    /// The key of its answers.
    pub(super) answers: FlowKey,
    /// The block of ports that the search is in.
    pub(super) block: PortKey,
}

/// Finds a NAT port towards the member and inserts the entry for its answers.
#[inline(always)]
pub(super) fn port<T: Tables>(
    tables: &T,
    key: &FlowKey,
    pool: &Pool,
    goal: &mut Goal,
) -> Result<(), Declined> {
    match search(tables, key, pool, goal) {
        FOUND => Ok(()),
        NO_PORT => Err(refuse(RefuseReason::NoPort)),
        _ => Err(refuse(RefuseReason::TableFull)),
    }
}

/// There is a port.
pub(super) const FOUND: u32 = 0;
/// There is none.
pub(super) const NO_PORT: u32 = 1;
/// There is no room for the entry.
pub(super) const FULL: u32 = 2;

#[inline(never)]
fn search<T: Tables>(tables: &T, key: &FlowKey, pool: &Pool, goal: &mut Goal) -> u32 {
    goal.walk.begin(key, pool);
    tables.repeat(goal.walk.turns(), &mut Search { key, pool, goal });
    goal.walk.result()
}

/// Inserts the entry for the goal's answers, which belong to the client with `key`.
#[inline(always)]
pub(super) fn insert<T: Tables>(tables: &T, key: &FlowKey, goal: &Goal) -> Result<(), InsertError> {
    let (member, pool, now) = (goal.slot.member, goal.pool, goal.now);
    tables.put_flow(&goal.answers, false, |flow| {
        flow.rewrite.set_back(&goal.answers.tuple, &key.tuple);
        flow.begin(member, pool, true, now);
    })
}
