//! Packets and tables on the heap, for running the decisions on the host.

mod atomics;
mod raw;
mod sent;

use core::cell::{Cell, RefCell};
use std::{collections::HashMap, rc::Rc};

use zerocopy::{FromBytes, FromZeros as _, Immutable, IntoBytes};

use crate::{
    addr::Addr,
    atomic::Word32,
    checksum,
    counter::{COUNTERS, Counter},
    forward::{Desk, route},
    packet::{EditError, Packet},
    route::Answer,
    state::{
        AllowedNet, Budget, Cursor, Drain, Event, Flow, FlowKey, FragmentKey, Fragmented, HalfOpen,
        HopKey, ID_PLACES, Identity, Load, MemberStats, NextHop, Node, PartKey, Pool, PortBlock,
        PortKey, Slot, Sticky, StickyKey, Vip, VipKey, VipLoad,
    },
    tables::{InsertError, Step, Tables},
    verdict::Direction,
};

pub use raw::Raw;
pub use sent::Sent;

/// A frame in memory, with complete checksums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame(pub Vec<u8>);

impl Frame {
    fn correct(&mut self, offset: usize, delta: u16) -> Result<(), EditError> {
        let field = self.0.get_mut(offset..offset + 2).ok_or(EditError)?;
        let old = u16::from_ne_bytes([field[0], field[1]]);
        field.copy_from_slice(&checksum::apply(old, delta).to_ne_bytes());
        Ok(())
    }
}

impl Packet for Frame {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn is_for_host(&self) -> bool {
        self.0.starts_with(&[0; 6])
    }

    fn has_vlan_tag(&self) -> bool {
        false
    }

    fn read<T: FromBytes>(&self, offset: usize) -> Option<T> {
        T::read_from_prefix(self.0.get(offset..)?).ok().map(|(value, _)| value)
    }

    fn write<T: IntoBytes + Immutable>(
        &mut self,
        offset: usize,
        value: &T,
    ) -> Result<(), EditError> {
        let bytes = value.as_bytes();
        self.0.get_mut(offset..offset + bytes.len()).ok_or(EditError)?.copy_from_slice(bytes);
        Ok(())
    }

    fn set_next_hop(&mut self, _hop: &Addr) -> Result<(), EditError> {
        // A frame in memory goes nowhere.
        Ok(())
    }

    fn resize(&mut self, len: usize) -> Result<(), EditError> {
        self.0.resize(len, 0);
        Ok(())
    }

    fn leaves_checksum(&mut self, _offset: usize) -> bool {
        false
    }

    fn correct_l3(&mut self, offset: usize, delta: u16) -> Result<(), EditError> {
        self.correct(offset, delta)
    }

    fn correct_l4_pseudo(&mut self, offset: usize, delta: u16) -> Result<(), EditError> {
        self.correct(offset, delta)
    }

    fn correct_l4(&mut self, offset: usize, delta: u16) -> Result<(), EditError> {
        self.correct(offset, delta)
    }
}

/// The maps, in memory. Time stands still until told otherwise.
#[derive(Debug, Default)]
pub struct HostTables {
    /// Zone of the device.
    pub zone: u16,
    /// Monotonic time in nanoseconds.
    pub now: Cell<u64>,
    /// Most conntrack entries; zero for no limit.
    pub capacity: usize,
    /// Listeners.
    pub vips: RefCell<HashMap<VipKey, Vip>>,
    /// Pools.
    pub pools: RefCell<HashMap<u32, Rc<Pool>>>,
    /// The pools' members.
    pub slots: RefCell<HashMap<PartKey, Slot>>,
    /// The pools' orders.
    pub ticks: RefCell<HashMap<PartKey, u32>>,
    /// Who has the leaves of the pools' tournaments.
    pub seats: RefCell<HashMap<PartKey, u32>>,
    /// The pools' tournaments.
    pub nodes: RefCell<HashMap<PartKey, Rc<Node>>>,
    /// Places in the schedules.
    pub cursors: RefCell<HashMap<u32, Rc<Cursor>>>,
    /// Budgets for errors.
    pub budgets: RefCell<HashMap<u32, Rc<Budget>>>,
    /// Members' loads.
    pub loads: RefCell<HashMap<u32, Rc<Load>>>,
    /// How often a load was looked at.
    pub looked_at: Cell<u64>,
    /// When members' connections end.
    pub drains: RefCell<HashMap<u32, Rc<Drain>>>,
    /// Connections of listeners.
    pub vip_loads: RefCell<HashMap<u32, Rc<VipLoad>>>,
    /// Allowed networks and the bits of their addresses' prefixes.
    pub allowed: RefCell<Vec<(AllowedNet, u32)>>,
    /// Members that clients may stick to.
    pub identities: RefCell<HashMap<u32, Identity>>,
    /// Clients and the members they had; without a limit.
    pub sticky: RefCell<HashMap<StickyKey, Rc<Sticky>>>,
    /// Conntrack.
    pub flows: RefCell<HashMap<FlowKey, Rc<Flow>>>,
    /// Most blocks of NAT ports; zero for no limit.
    pub port_capacity: usize,
    /// Blocks of NAT ports.
    pub ports: RefCell<HashMap<PortKey, Rc<PortBlock>>>,
    /// Whether events are kept.
    pub listening: Cell<bool>,
    /// What happened while somebody was listening.
    pub events: RefCell<Vec<Event>>,
    /// Places for half-open connections, a power of two, less one.
    pub half_open_mask: u32,
    /// Places of half-open connections.
    pub half_open: RefCell<HashMap<u32, Rc<HalfOpen>>>,
    /// Datagrams that come in fragments; without a limit.
    pub fragmented: RefCell<HashMap<FragmentKey, Fragmented>>,
    /// Next hops.
    pub next_hops: RefCell<HashMap<HopKey, Rc<NextHop>>>,
    /// Their last identifications.
    pub last_ids: RefCell<HashMap<u32, Rc<Word32>>>,
    /// Counters by number.
    pub counters: RefCell<HashMap<u32, u64>>,
    /// Members' statistics.
    pub stats: RefCell<HashMap<u32, MemberStats>>,
}

impl HostTables {
    /// What would become of the frame, a client's SYN ([`route()`]).
    ///
    /// # Panics
    /// Never: there is room for the answer.
    #[must_use]
    pub fn ask(&self, frame: &[u8]) -> Answer {
        let mut frame = Frame(frame.to_vec());
        let at = frame.0.len();
        frame.0.resize(at + size_of::<Answer>(), 0);
        route(&mut frame, self).expect("there is room for the answer");
        frame.read(at).expect("it was just written")
    }
}

impl Tables for HostTables {
    type Ref<T: 'static> = Rc<T>;

    fn zone(&self) -> u16 {
        self.zone
    }

    fn now(&self) -> u64 {
        self.now.get()
    }

    fn exact_now(&self) -> u64 {
        self.now.get()
    }

    fn vip(&self, key: &VipKey) -> Option<Rc<Vip>> {
        self.vips.borrow().get(key).copied().map(Rc::new)
    }

    fn pool(&self, pool: u32) -> Option<Rc<Pool>> {
        self.pools.borrow().get(&pool).cloned()
    }

    fn cursor(&self, pool: u32) -> Option<Rc<Cursor>> {
        Some(Rc::clone(self.cursors.borrow_mut().entry(pool).or_default()))
    }

    fn slot(&self, key: &PartKey) -> Option<Rc<Slot>> {
        self.slots.borrow().get(key).copied().map(Rc::new)
    }

    fn tick(&self, key: &PartKey) -> Option<u32> {
        self.ticks.borrow().get(key).copied()
    }

    fn seat(&self, key: &PartKey) -> Option<u32> {
        self.seats.borrow().get(key).copied()
    }

    fn node(&self, key: &PartKey) -> Option<Rc<Node>> {
        self.nodes.borrow().get(key).cloned()
    }

    fn budget(&self, pool: u32) -> Option<Rc<Budget>> {
        Some(Rc::clone(self.budgets.borrow_mut().entry(pool).or_default()))
    }

    fn load(&self, member: u32) -> Option<Rc<Load>> {
        self.looked_at.set(self.looked_at.get() + 1);
        Some(Rc::clone(self.loads.borrow_mut().entry(member).or_default()))
    }

    fn drain(&self, member: u32) -> Option<Rc<Drain>> {
        self.drains.borrow().get(&member).cloned()
    }

    fn vip_load(&self, pool: u32) -> Option<Rc<VipLoad>> {
        Some(Rc::clone(self.vip_loads.borrow_mut().entry(pool).or_default()))
    }

    fn allows(&self, address: &AllowedNet) -> bool {
        let contains = |(net, bits): &(AllowedNet, u32)| {
            let network = address.address.masked(Addr::mask(*bits));
            *net == AllowedNet { address: network, ..*address }
        };
        self.allowed.borrow().iter().any(contains)
    }

    fn identity(&self, member: u32) -> Option<Rc<Identity>> {
        self.identities.borrow().get(&member).copied().map(Rc::new)
    }

    fn sticky(&self, key: &StickyKey) -> Option<Rc<Sticky>> {
        self.sticky.borrow().get(key).cloned()
    }

    fn stick(&self, key: &StickyKey, sticky: Sticky) {
        self.sticky.borrow_mut().insert(*key, Rc::new(sticky));
    }

    fn flow(&self, key: &FlowKey) -> Option<Rc<Flow>> {
        self.flows.borrow().get(key).cloned()
    }

    fn put_flow(
        &self,
        key: &FlowKey,
        replace: bool,
        fill: impl FnOnce(&mut Flow),
    ) -> Result<(), InsertError> {
        let mut flow = Flow::new_zeroed();
        fill(&mut flow);
        let mut flows = self.flows.borrow_mut();
        if !replace && flows.contains_key(key) {
            return Err(InsertError::Exists);
        }
        if !replace && self.capacity != 0 && flows.len() >= self.capacity {
            return Err(InsertError::Full);
        }
        flows.insert(*key, Rc::new(flow));
        Ok(())
    }

    fn half_open(&self, ticket: u32) -> Option<Rc<HalfOpen>> {
        let mut places = self.half_open.borrow_mut();
        Some(Rc::clone(
            places
                .entry(ticket & self.half_open_mask)
                .or_insert_with(|| Rc::new(HalfOpen::new_zeroed())),
        ))
    }

    fn remove_flow(&self, key: &FlowKey) {
        self.flows.borrow_mut().remove(key);
    }

    fn ports(&self, key: &PortKey) -> Option<Rc<PortBlock>> {
        self.ports.borrow().get(key).cloned()
    }

    fn add_ports(&self, key: &PortKey) {
        let mut ports = self.ports.borrow_mut();
        if self.port_capacity == 0 || ports.len() < self.port_capacity {
            ports.entry(*key).or_default();
        }
    }

    fn next_hop(&self, key: &HopKey) -> Option<Rc<NextHop>> {
        self.next_hops.borrow().get(key).map(Rc::clone)
    }

    fn want_next_hop(&self, key: &HopKey) {
        self.next_hops.borrow_mut().entry(*key).or_default();
    }

    fn fragmented(&self, key: &FragmentKey) -> Option<Rc<Fragmented>> {
        self.fragmented.borrow().get(key).copied().map(Rc::new)
    }

    fn remember(&self, key: &FragmentKey, datagram: &Fragmented) {
        self.fragmented.borrow_mut().insert(*key, *datagram);
    }

    fn forget(&self, key: &FragmentKey) {
        self.fragmented.borrow_mut().remove(key);
    }

    fn last_id(&self, hash: u32) -> Option<Rc<Word32>> {
        Some(Rc::clone(self.last_ids.borrow_mut().entry(hash % ID_PLACES).or_default()))
    }

    fn at_desk<R>(&self, work: impl FnOnce(&mut Desk) -> R) -> Option<R> {
        Some(work(&mut Desk::default()))
    }

    fn repeat<S: Step<Self>>(&self, times: u32, step: &mut S) {
        for index in 0..times {
            if !step.step(self, index) {
                break;
            }
        }
    }

    fn listening(&self) -> bool {
        self.listening.get()
    }

    fn emit(&self, fill: impl FnOnce(&mut Event)) {
        let mut event = Event::default();
        fill(&mut event);
        self.events.borrow_mut().push(event);
    }

    fn count_in(&self, _zone: u16, counter: Counter) {
        self.count(counter);
    }

    fn count(&self, counter: Counter) {
        assert!(counter.number() < COUNTERS);
        *self.counters.borrow_mut().entry(counter.number()).or_default() += 1;
    }

    fn account(&self, member: u32, direction: Direction, payload: u32) {
        let mut stats = self.stats.borrow_mut();
        let stats = stats.entry(member).or_default();
        stats.add(direction, payload);
    }

    fn account_failure(&self, member: u32) {
        self.stats.borrow_mut().entry(member).or_default().failed += 1;
    }

    fn account_connection(&self, member: u32) {
        self.stats.borrow_mut().entry(member).or_default().connections += 1;
    }
}
