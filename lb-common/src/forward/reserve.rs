//! NAT ports.

use crate::{
    addr::Tuple,
    counter::Event,
    forward::{Declined, open::refuse},
    nat::{PORT_TRIES, Ports, Rewrite},
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
        let (client, slot) = (&self.key.tuple, self.goal.slot);
        let sport = self.ports.get(attempt);
        let outgoing = Tuple { src: client.dst, dst: slot.address, sport, dport: slot.port };
        // Answers must never look like a client's packets to the listener.
        if sport == client.dport {
            return true;
        }
        let rewrite = Rewrite::new(&outgoing.reversed(), &client.reversed());
        let (pool, now) = (self.goal.pool, self.goal.now);
        let placed = tables.put_flow(&member_key(self.key, &outgoing), false, |flow| {
            flow.begin(&rewrite, slot.member, pool, true, now);
        });
        match placed {
            Ok(()) => {
                self.goal.outgoing = outgoing;
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

/// The key of a member's answers to packets with the `outgoing` tuple.
#[inline(always)]
pub(super) fn member_key(key: &FlowKey, outgoing: &Tuple) -> FlowKey {
    FlowKey::new(outgoing.reversed(), key.zone, key.protocol)
}
