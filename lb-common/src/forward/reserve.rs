//! NAT ports.

use crate::{
    addr::Tuple,
    counter::Event,
    forward::{Declined, open::refuse},
    nat::{PORT_TRIES, Ports},
    state::{FlowKey, Pool, Slot},
    tables::{InsertError, Step, Tables},
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
    /// Source and destination of packets to it, when there is a port.
    pub(super) outgoing: Tuple,
    /// The key of its answers.
    pub(super) answers: FlowKey,
}

/// Finds a free NAT port towards the member by inserting the entry for its answers: the
/// insertion itself decides, so two connections can never share one.
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

const FOUND: u32 = 0;
const NO_PORT: u32 = 1;
const FULL: u32 = 2;

#[inline(never)]
fn search<T: Tables>(tables: &T, key: &FlowKey, pool: &Pool, goal: &mut Goal) -> u32 {
    let mut search = Search { key, ports: Ports::new(pool, &key.tuple), goal, result: NO_PORT };
    tables.repeat(PORT_TRIES, &mut search);
    search.result
}

struct Search<'a> {
    key: &'a FlowKey,
    ports: Ports,
    goal: &'a mut Goal,
    result: u32,
}

impl<T: Tables> Step<T> for Search<'_> {
    #[inline(always)]
    fn step(&mut self, tables: &T, attempt: u32) -> bool {
        let (client, goal) = (&self.key.tuple, &mut *self.goal);
        let (member, pool, now) = (goal.slot.member, goal.pool, goal.now);
        let sport = self.ports.get(attempt);
        // Answers must never look like a client's packets to the listener.
        if sport == client.dport {
            return true;
        }
        let (dst, dport) = (goal.slot.address, goal.slot.port);
        goal.outgoing = Tuple { src: client.dst, dst, sport, dport };
        goal.answers = FlowKey::new(goal.outgoing.reversed(), self.key.zone, self.key.protocol);
        let placed = tables.put_flow(&goal.answers, false, |flow| {
            flow.rewrite.set(&goal.answers.tuple, &client.reversed());
            flow.begin(member, pool, true, now);
        });
        match placed {
            Ok(()) => {
                self.result = FOUND;
                false
            }
            Err(InsertError::Exists) => {
                tables.count(Event::PortTaken.into());
                true
            }
            Err(InsertError::Full) => {
                self.result = FULL;
                false
            }
        }
    }
}
