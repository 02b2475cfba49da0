//! NAT ports: which of them are taken, found without the crate's own way of looking.

use std::collections::HashSet;
use std::net::Ipv4Addr;

use lb_common::addr::Addr;
use lb_common::atomic::Word64;
use lb_common::host::HostTables;
use lb_common::state::{Flow, MAX_SNAT, Mode, Pool, PortBlock, Slot};

use crate::world::LISTENER;

/// The ports that a pool has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    /// Lowest and highest.
    pub(crate) range: (u16, u16),
    /// Whether there is a second source address.
    pub(crate) two: bool,
    /// Most blocks, zero for no limit: where no more can be noted, ports are found all the same, but it
    /// is not known which are taken.
    pub(crate) capacity: usize,
}

const SECOND: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 251);

/// Source address, member and port.
type Taken = (Addr, Addr, u16);

impl Ports {
    pub(crate) const fn of(low: u16, high: u16) -> Self {
        Self { range: (low, high), two: false, capacity: 0 }
    }

    pub(crate) fn sources(&self) -> Vec<Ipv4Addr> {
        let two: &[_] = if self.two { &[SECOND] } else { &[] };
        [&[*LISTENER.ip()], two].concat()
    }

    pub(crate) fn snat(&self) -> [Addr; MAX_SNAT] {
        let mut snat = [Addr::default(); MAX_SNAT];
        snat[0] = SECOND.into();
        snat
    }

    /// A port is taken exactly as long as it has an entry of the member's.
    pub(crate) fn check(&self, tables: &HostTables) {
        let taken = taken(tables);
        let flows = tables.flows.borrow();
        let has_port = |flow: &Flow| flow.is_from_member() && flow.mode() == Mode::Nat;
        let answers = flows.iter().filter(|(_, flow)| has_port(flow));
        let held: HashSet<Taken> =
            answers.map(|(key, _)| (key.tuple.dst, key.tuple.src, key.tuple.dport.get())).collect();
        assert!(taken.is_subset(&held), "taken by nobody: {:?}", taken.difference(&held));
        if self.capacity == 0 {
            assert!(held.is_subset(&taken), "not taken: {:?}", held.difference(&taken));
        }
        for block in tables.ports.borrow().values() {
            for word in 0..PortBlock::WORDS {
                let bits = |words: &[Word64]| words[word].get();
                let (taken, quiet, waiting) =
                    (bits(&block.taken), bits(&block.quiet), bits(&block.waiting));
                assert_eq!(quiet & waiting, 0, "a port rests in one way");
                assert_eq!((quiet | waiting) & !taken, 0, "a port that rests is taken");
            }
        }
    }

    /// Nobody is refused while a port is free.
    pub(crate) fn check_refusal(&self, tables: &HostTables, pool: &Pool, members: &[Slot]) {
        let taken = taken(tables);
        let is_exhausted = |member: &Slot| {
            self.sources().into_iter().all(|source| {
                (pool.port_low..=pool.port_high).all(|port| {
                    (source, port) == (*LISTENER.ip(), LISTENER.port())
                        || taken.contains(&(source.into(), member.address, port))
                })
            })
        };
        assert!(self.capacity != 0 || members.iter().any(is_exhausted), "there is a free port");
    }
}

/// Every port that is taken.
pub(crate) fn taken(tables: &HostTables) -> HashSet<Taken> {
    let mut taken = HashSet::new();
    for (key, block) in tables.ports.borrow().iter() {
        let base = u32::from(key.block) * PortBlock::PORTS;
        for bit in 0..PortBlock::PORTS {
            if block.taken[bit as usize / 64].get() >> (bit % 64) & 1 == 1 {
                taken.insert((key.source, key.member, (base + bit) as u16));
            }
        }
    }
    taken
}
