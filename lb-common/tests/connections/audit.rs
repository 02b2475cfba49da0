//! What holds at any time: counts are what conntrack holds, and nobody shares a way.

use std::collections::{HashMap, HashSet};

use lb_common::counter::Event;
use lb_common::state::{Flow, FlowKey, State};
use lb_common::tables::Tables as _;
use lb_common::verdict::{PassReason, Verdict};

use crate::frame::{self, Flags};
use crate::ports;
use crate::world::{LISTENER, POOL, World, client};

impl World {
    /// After a sweep nobody has a connection that its member's drain should have ended.
    pub(super) fn check_drained(&self) {
        let (flows, drains) = (self.tables.flows.borrow(), self.tables.drains.borrow());
        for flow in flows.values().filter(|flow| !flow.is_from_member()) {
            let (now, state) = (self.tables.now.get(), flow.phase.get().state());
            let end = drains.get(&flow.member).and_then(|drain| drain.end());
            let drained = end.is_some_and(|(end, _)| end <= now && flow.opened <= end);
            assert!(!drained || state == State::Closed, "drained and {state:?}");
        }
    }

    /// Members' entries without their client's. Only the reaper leaves some, for its next sweep, and
    /// clients that come again, for as long as the member may be in TIME_WAIT.
    pub(super) fn orphans(&self) -> usize {
        let flows = self.tables.flows.borrow();
        let is_orphan = |key: &FlowKey, flow: &Flow| {
            let peer = flow.peer_key(key);
            flow.is_from_member()
                && !flow.is_left_behind()
                && flows.get(&peer).is_none_or(|client| client.peer_key(&peer) != *key)
        };
        flows.iter().filter(|(key, flow)| is_orphan(key, flow)).count()
    }

    pub(super) fn active(&self) -> HashMap<u32, u32> {
        let loads = self.tables.loads.borrow();
        let counts = loads.iter().map(|(member, load)| (*member, load.active.get()));
        counts.filter(|(_, active)| *active != 0).collect()
    }

    /// What must hold at any time.
    pub(crate) fn check(&self) {
        let flows = self.tables.flows.borrow();
        let clients = || flows.iter().filter(|(_, flow)| !flow.is_from_member());
        let live = || clients().filter(|(_, flow)| flow.phase.get().state() != State::Closed);

        let mut counted: HashMap<u32, u32> = HashMap::new();
        live().for_each(|(_, flow)| *counted.entry(flow.member).or_default() += 1);
        assert_eq!(self.active(), counted, "counts and connections");
        let listener = self.tables.vip_load(POOL).unwrap().active.get();
        assert_eq!(listener, counted.values().sum::<u32>(), "the listener's count");
        assert!(listener <= self.limit);
        let ends =
            [Event::Closed, Event::Expired, Event::CrowdedOut, Event::Drained, Event::MarkedDown];
        let over = ends.map(|event| self.count(event));
        assert_eq!(
            self.count(Event::Opened) - over.iter().sum::<u64>(),
            live().count() as u64,
            "events and connections"
        );

        self.check_places();
        let mut peers = HashSet::new();
        for (key, flow) in clients().filter(|(_, flow)| !flow.is_direct()) {
            let peer = flow.peer_key(key);
            assert!(peers.insert(peer), "two connections share {peer:?}");
            let answers = flows.get(&peer).unwrap_or_else(|| panic!("{key:?} has no answers"));
            assert_eq!(answers.peer_key(&peer), *key, "the answers are another connection's");
            assert_eq!((answers.member, answers.is_from_member()), (flow.member, true));
        }
        self.ports.check(&self.tables);
    }

    /// Nobody sends any more; after all timers have run out nothing is left: a sweep ends the
    /// connections, one removes the entries of clients and one those of members.
    pub(crate) fn everyone_leaves(&self) {
        for order in 0..3 {
            self.wait(10_000);
            self.sweep(order);
            self.check();
        }
        assert!(self.tables.flows.borrow().is_empty(), "{:?}", self.tables.flows.borrow());
        assert_eq!(ports::taken(&self.tables), HashSet::new(), "every port is free");
        assert_eq!(self.active(), HashMap::new());
        let last = self.run(frame::tcp(client(0), LISTENER, Flags::ACK, 0)).0;
        let reason = if self.is_udp() { PassReason::NotVip } else { PassReason::NoConnection };
        assert_eq!(last, Ok(Verdict::Pass(reason)));
    }
}
