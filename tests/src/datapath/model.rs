//! The pure decision on the host's tables.

use std::net::SocketAddr;
use std::rc::Rc;

use lb_common::be::Be16;
use lb_common::counter::{self, Counter, Outer, Xdp};
use lb_common::expire::expire;
use lb_common::forward::{Early, Hop, Near, early, forward, outer, outer_connect};
use lb_common::host::{Frame, HostTables, Raw, Sent};
use lb_common::packet::Packet as _;
use lb_common::route::Answer;
use lb_common::schedule;
use lb_common::state::{Admission, AllowedNet, FlowKey, Load, Node, Vip, VipKey};
use lb_common::tables::Tables as _;
use lb_common::verdict::Verdict;
use lb_userspace::datapath::{Network, Set, Target};
use zerocopy::IntoBytes as _;

use super::action::Datapath;
use super::front::find;
use super::outside::{known_hops, readdressed};
use super::ports::ports;
use super::setup::{drain_word, options};
use super::snapshot::{MEMBERS, direction};
use super::{
    Act, Action, Age, Ages, Entry, Error, Family, Fragments, Heard, Member, POOL, Ran, Snapshot,
    Stamping, Stuck,
};

/// Bytes of an Ethernet header's two addresses.
const ADDRESSES: usize = 12;

/// A time of day between the ancient and the future.
const NOW: u64 = 1 << 50;

/// What stands before the program of TC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ahead {
    /// Nothing.
    Nothing,
    /// The XDP program; `confirm` as for [`super::Kernel::load_in_front`].
    Xdp {
        /// How often it passes on a packet for the neighbour's sake.
        confirm: u32,
    },
    /// The program at the outer end of the device.
    Outer,
}

/// What the compiled datapath has to agree with.
pub struct Model {
    tables: HostTables,
    ahead: Ahead,
    walk: Vec<FlowKey>,
    sent: Vec<Vec<u8>>,
}

impl Model {
    /// Empty tables with room for `max_flows` conntrack entries.
    #[must_use]
    pub fn new(max_flows: u32) -> Self {
        let tables = HostTables {
            capacity: max_flows as usize,
            port_capacity: options(max_flows).port_blocks() as usize,
            half_open_mask: options(max_flows).half_open - 1,
            ..HostTables::default()
        };
        tables.now.set(NOW);
        tables.listening.set(true);
        Self { tables, ahead: Ahead::Nothing, walk: Vec::new(), sent: Vec::new() }
    }

    /// The same with the decision of a program before that of TC.
    #[must_use]
    pub fn behind(max_flows: u32, ahead: Ahead) -> Self {
        let model = Self { ahead, ..Self::new(max_flows) };
        if ahead == Ahead::Outer {
            let hops = known_hops(0).map(|(key, hop)| (key, Rc::new(hop)));
            model.tables.next_hops.borrow_mut().extend(hops);
        }
        model
    }

    /// Sets the order in which the next sweep goes through conntrack, which in the kernel is that
    /// of the hash table: it decides whether the entry of a member is met before or after the
    /// client's, and so in which of two sweeps it goes.
    pub fn set_walk(&mut self, order: Vec<FlowKey>) {
        self.walk = order;
    }

    /// The events since the last call.
    pub fn heard(&mut self) -> Vec<Heard> {
        self.tables.events.borrow_mut().drain(..).map(|event| Heard::from(&event)).collect()
    }

    /// Every key of conntrack, in an order that depends on nothing else.
    #[must_use]
    pub fn keys(&self) -> Vec<FlowKey> {
        let mut keys: Vec<FlowKey> = self.tables.flows.borrow().keys().copied().collect();
        keys.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
        keys
    }

    /// All state.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let (counters, stats) = (self.tables.counters.borrow(), self.tables.stats.borrow());
        let (loads, flows) = (self.tables.loads.borrow(), self.tables.flows.borrow());
        let member = |index| Member {
            active: loads.get(&index).map_or(0, |load| load.active.get()),
            stamp: loads.get(&index).map_or(0, |load| load.stamp.get()),
            failures: loads.get(&index).map_or(0, |load| load.failures.get()),
            out: Age::of(loads.get(&index).map_or(0, |load| load.out_until.get())),
            stats: stats.get(&index).copied().unwrap_or_default(),
        };
        let (vips, sticky) = (self.tables.vip_loads.borrow(), self.tables.sticky.borrow());
        let budgets = self.tables.budgets.borrow();
        let count = |number| counters.get(&number).copied().unwrap_or(0);
        Snapshot {
            counters: counter::all().map(|(number, name, _)| (name, count(number))).collect(),
            members: (0..MEMBERS).map(member).collect(),
            active: vips.get(&POOL).map_or(0, |load| load.active.get()),
            budget: Age::of(budgets.get(&POOL).map_or(0, |budget| budget.0.get())),
            sticky: sticky.iter().map(|(key, entry)| Stuck::entry(key, entry)).collect(),
            flows: flows
                .iter()
                .map(|(key, flow)| ((direction(&key.tuple), key.protocol), Entry::from(&**flow)))
                .collect(),
            fragments: self
                .tables
                .fragmented
                .borrow()
                .iter()
                .map(|(key, known)| Fragments::entry(key, known))
                .collect(),
            ports: ports(self.tables.ports.borrow().iter().map(|(key, block)| (*key, &**block))),
        }
    }

    /// Who would get a connection.
    #[must_use]
    pub fn route(&self, src: SocketAddr, dst: SocketAddr, protocol: u8) -> Answer {
        self.tables.ask(&Family::opening(src, dst, protocol))
    }

    /// What the XDP program makes of a frame; none if it passes it on.
    fn run_early(&self, frame: &[u8]) -> Option<Ran> {
        let mut raw = Raw(Frame(frame.to_vec()));
        let find = |raw: &Raw, hop: &Hop<'_>| find(hop, &raw.read(0).ok_or(Xdp::Frame)?);
        let Ahead::Xdp { confirm } = self.ahead else { return None };
        let outcome = match early(&mut raw, &self.tables, confirm, find) {
            Ok(Early::PassOn(why)) => {
                assert_eq!(raw.0.0, frame, "passes on what it has changed");
                self.tables.count(why.into());
                return None;
            }
            Ok(Early::Forward(direction)) => {
                self.tables.count(Xdp::Forwarded.into());
                Ok(Verdict::Forward(direction))
            }
            Err(reason) => Err(reason),
        };
        self.tables.count(Counter::from(outcome));
        // The MAC addresses are the harness's business.
        let out = [&frame[..ADDRESSES], &raw.0.0[ADDRESSES..]].concat();
        Some(Ran { act: Act::from_outcome(outcome), frame: out })
    }

    /// What the program at the outer end makes of a frame; none if it passes it on.
    fn run_outer(&self, frame: &[u8]) -> Option<Ran> {
        if self.ahead != Ahead::Outer {
            return None;
        }
        let mut raw = Raw(Frame(frame.to_vec()));
        let first = outer(&mut raw, &self.tables);
        let near = if first == Ok(Near::Open) {
            assert_eq!(raw.0.0, frame, "leaves what it has changed to the second part");
            outer_connect(&mut raw, &self.tables)
        } else {
            first
        };
        let outcome = match near {
            Ok(Near::Open) => panic!("the second part wants itself"),
            Ok(Near::PassOn(why)) => {
                assert_eq!(raw.0.0, frame, "passes on what it has changed");
                self.tables.count(why.into());
                return None;
            }
            Ok(Near::Decided(verdict)) => {
                self.tables.count(Outer::Forwarded.into());
                Ok(verdict)
            }
            Err(reason) => Err(reason),
        };
        self.tables.count(Counter::from(outcome));
        let out = readdressed(&raw.0.0, frame).expect("it is addressed to the next hop");
        Some(Ran { act: Act::from_outcome(outcome), frame: out })
    }

    fn run(&self, frame: &[u8], is_gso: bool) -> Ran {
        if let Some(ran) = self.run_outer(frame) {
            return ran;
        }
        if !is_gso && let Some(ran) = self.run_early(frame) {
            return ran;
        }
        let mut frame = Frame(frame.to_vec());
        let outcome = forward(&mut frame, &self.tables);
        self.tables.count(Counter::from(outcome));
        Ran { act: Act::from_outcome(outcome), frame: frame.0 }
    }

    /// The same as `lb_userspace::datapath::install`.
    fn install(&self, index: u32, target: &Target) {
        let tables = &self.tables;
        let before = tables.pools.borrow().get(&index).map(|pool| pool.generation);
        let generation = before.map_or(1, |before| before.wrapping_add(1));
        let stamp = tables.cursor(index).map_or(0, |cursor| cursor.stamp.get());
        for member in &target.newcomers {
            tables.stats.borrow_mut().remove(member);
            tables.drains.borrow_mut().remove(member);
            let load = Load { stamp: stamp.into(), ..Load::default() };
            tables.loads.borrow_mut().insert(*member, Rc::new(load));
        }

        let Set { pool, slots, order } = target.set(generation);
        tables.slots.borrow_mut().retain(|key, _| key.pool != index);
        tables.seats.borrow_mut().retain(|key, _| key.pool != index);
        tables.ticks.borrow_mut().retain(|key, _| key.pool != index);
        tables.nodes.borrow_mut().retain(|key, _| key.pool != index);
        for slot in slots {
            tables.slots.borrow_mut().insert(pool.part(index, slot.member), slot);
            tables.seats.borrow_mut().insert(pool.part(index, slot.leaf.into()), slot.member);
        }
        for (tick, member) in (0..).zip(order) {
            tables.ticks.borrow_mut().insert(pool.part(index, tick), member);
        }
        if pool.has_tournament() {
            for node in 0..pool.leaves {
                let node = pool.part(index, node);
                tables.nodes.borrow_mut().insert(node, Rc::new(Node::default()));
            }
        }
        tables.pools.borrow_mut().insert(index, Rc::new(pool));
        let listener = target.listener;
        let admission = self.admit(index, generation, target);
        let key = VipKey::new(listener.address, Be16::new(listener.port), 0, listener.protocol);
        let vip = Vip {
            pool: index,
            enabled: u32::from(listener.enabled),
            admission,
            persistence: listener.persistence,
        };
        let mut vips = tables.vips.borrow_mut();
        vips.retain(|_, other| other.pool != index);
        vips.insert(key, vip);
    }

    /// Whom the listener serves, and who may be stuck to.
    fn admit(&self, pool: u32, generation: u32, target: &Target) -> Admission {
        let net = |network: &Network| {
            (AllowedNet { pool, generation, address: network.address }, network.bits)
        };
        let networks = target.allowed.iter().flatten().map(net);
        *self.tables.allowed.borrow_mut() = networks.collect();
        *self.tables.identities.borrow_mut() = target.identities.iter().copied().collect();
        Admission {
            limit: target.listener.limit.unwrap_or(Admission::UNLIMITED),
            overflow: target.listener.overflow as u32,
            restricted: u32::from(target.allowed.is_some()),
            generation,
        }
    }

    fn settle(&self) {
        for flow in self.tables.flows.borrow_mut().values_mut() {
            let flow = Rc::get_mut(flow).expect("nobody holds an entry between two actions");
            if Age::of(flow.opened) == Age::Now {
                flow.opened = Age::Future.stamp(NOW);
            }
        }
    }

    fn stamp(&self, stamping: &Stamping) {
        for (key, flow) in self.tables.flows.borrow_mut().iter_mut() {
            let Ages { seen, news, opened } = stamping.of(key, flow.is_from_member());
            let flow = Rc::get_mut(flow).expect("nobody holds an entry between two actions");
            flow.last_seen.set(seen.stamp(NOW));
            flow.last_news.set(news.stamp(NOW));
            flow.opened = opened.stamp(NOW);
        }
        for (key, known) in self.tables.fragmented.borrow_mut().iter_mut() {
            known.until = stamping.of_client(key.src).stamp(NOW);
        }
        for (key, sticky) in self.tables.sticky.borrow_mut().iter() {
            sticky.used.set(stamping.of_client(key.client).stamp(NOW));
        }
    }

    /// Sweeps, and receives what that sends.
    fn sweep(&mut self) {
        let mut sent = Sent::default();
        for key in &self.walk {
            if let Some(flow) = self.tables.flow(key) {
                expire(&self.tables, &mut sent, key, &flow, self.tables.now())
                    .expect("memory takes every frame");
            }
        }
        self.sent.extend(sent.frames.into_iter().map(|frame| frame[ADDRESSES..].to_vec()));
    }
}

impl Datapath for Model {
    fn take_sent(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.sent)
    }

    fn act(&mut self, action: &Action) -> Result<Option<Ran>, Error> {
        match action {
            Action::Frame(frame) => return Ok(Some(self.run(frame, false))),
            Action::Gso(frame, _) => return Ok(Some(self.run(frame, true))),
            Action::Install(pool, target) => self.install(*pool, target),
            Action::ForgetPool(pool) => drop(self.tables.pools.borrow_mut().remove(pool)),
            Action::Eject(member, until) => {
                schedule::leave_out(&self.tables, POOL, *member, until.stamp(NOW));
            }
            Action::Drain(member, drain) => {
                let drain = Rc::new(drain_word(*drain, NOW));
                self.tables.drains.borrow_mut().insert(*member, drain);
            }
            Action::Spend(until) => {
                let budget = self.tables.budget(POOL);
                budget.expect("made when looked up").0.set(until.stamp(NOW));
            }
            Action::Settle => self.settle(),
            Action::Stamp(stamping) => self.stamp(stamping),
            Action::Sweep => self.sweep(),
        }
        Ok(None)
    }
}
