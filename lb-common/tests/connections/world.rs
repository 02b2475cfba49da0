//! A pool, its clients and members, and what must always hold.

use std::collections::{HashMap, HashSet};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::rc::Rc;

use lb_common::addr::{Addr, Tuple};
use lb_common::be::Be16;
use lb_common::counter::{Counter, Event};
use lb_common::expire::expire;
use lb_common::forward::forward;
use lb_common::host::{Frame, HostTables, Sent};
use lb_common::schedule::{self, Cycle, Turn};
use lb_common::state::{
    Admission, Drain, DrainCause, FlowKey, Identity, Method, Mode, Node, Persistence, Pool, Slot,
    Timers, Vip, VipKey, WEIGHT_ONE,
};
use lb_common::tables::Tables as _;
use lb_common::verdict::{Direction, DropReason, PassReason, RefuseReason, Verdict};

use crate::frame::{self, Bases, Flags};
use crate::ports::Ports;
use crate::watched::Watched;

pub(crate) const LISTENER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 250), 80);

pub(crate) const POOL: u32 = 7;
const MILLISECOND: u64 = 1_000_000;

/// Something that happens.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// One of the clients sends to the listener, with new numbers from now on if there are some.
    Client { client: u8, flags: u8, payload: usize, base: Option<u32> },
    /// A member answers one of the segments it has seen, with new numbers from now on if there are some.
    Member { which: usize, flags: u8, payload: usize, base: Option<u32> },
    /// A member is said not to be there, about one of the datagrams it was sent.
    Unreachable { which: usize },
    /// Milliseconds pass.
    Wait(u64),
    /// The table is swept in an order that the number shuffles.
    Sweep(u64),
    /// These members, as far as there are any, take new connections from now on.
    Members(Vec<u32>),
    /// They are chosen by this method from now on, with weights so many times as high, and so many connections for each at most.
    Policy { method: Method, times: u32, limit: u32 },
    /// New connections have this mode from now on.
    Mode(Mode),
    /// The connections that this member has end after so many milliseconds; whether it is down. New
    /// ones it may get as before, which no proper controller allows: they go on.
    Drain { member: u32, within: u64, down: bool },
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) tables: HostTables,
    pub(crate) limit: u32,
    all: std::cell::RefCell<Vec<Slot>>,
    pub(crate) ports: Ports,
    /// Where the numbers of each client's connection begin.
    pub(crate) bases: std::cell::RefCell<HashMap<SocketAddrV4, Bases>>,
    /// The number of each client's last SYN, and where those began that its member has agreed to.
    pub(crate) agreed: std::cell::RefCell<HashMap<SocketAddrV4, (u32, Option<Bases>)>>,
    /// Number of the listener's protocol.
    pub(crate) protocol: u8,
    /// The members of the present set.
    pub(crate) present: std::cell::RefCell<HashSet<u32>>,
    /// Segments that reached members: source and destination.
    seen: std::cell::RefCell<Vec<(SocketAddrV4, SocketAddrV4)>>,
}

/// Clients sit beside the members; the first one is the first member itself.
pub(crate) fn client(index: u8) -> SocketAddrV4 {
    let port = if index.is_multiple_of(2) { 25_000 } else { 80 };
    SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1 + 10 * (index / 2)), port)
}

/// Source and destination of packets from the first to the second.
fn tuple((src, dst): (SocketAddrV4, SocketAddrV4)) -> Tuple {
    Tuple {
        src: (*src.ip()).into(),
        dst: (*dst.ip()).into(),
        sport: Be16::new(src.port()),
        dport: Be16::new(dst.port()),
    }
}

/// Places for half-open connections, less one.
pub(crate) const PLACES: u32 = 3;

impl World {
    pub(crate) fn new(
        method: Method,
        weights: &[u32],
        ports: Ports,
        capacity: usize,
        limit: u32,
        persistence: Persistence,
        protocol: u8,
    ) -> Self {
        let slot = |(index, weight): (u32, &u32)| Slot {
            member: index,
            weight: *weight * WEIGHT_ONE,
            limit: if weight.is_multiple_of(4) { 2 } else { 0 },
            address: Ipv4Addr::new(10, 0, 0, index as u8 + 1).into(),
            port: Be16::new(8080),
            leaf: 0,
            handicap: 0,
        };
        let all: Vec<Slot> = (0..).zip(weights).map(slot).collect();
        let port_capacity = ports.capacity;
        let (port_low, port_high) = ports.range;
        let half_open_mask = PLACES;
        let tables =
            HostTables { capacity, port_capacity, half_open_mask, ..HostTables::default() };
        tables.now.set(1_000_000 * MILLISECOND);
        let timers = Timers {
            opening: 500 * MILLISECOND,
            client: 3_000 * MILLISECOND,
            server: 3_500 * MILLISECOND,
            closing: 1_500 * MILLISECOND,
            closed: 700 * MILLISECOND,
        };
        let pool = Pool {
            timers,
            generation: 0,
            method: method as u32,
            leaves: 4,
            tournament: method.tournament(all.iter().any(|slot| slot.limit != 0)),
            port_low,
            port_high,
            retries: 2,
            eject_after: 2,
            eject_for: 900 * MILLISECOND,
            snat: ports.snat(),
            snat_count: ports.sources().len() as u32 - 1,
            ..Pool::default()
        };
        tables.pools.borrow_mut().insert(POOL, Rc::new(pool));
        let key = VipKey::new((*LISTENER.ip()).into(), Be16::new(80), 0, protocol);
        let admission = Admission { limit, ..Admission::OPEN };
        let vip = Vip { pool: POOL, enabled: 1, admission, persistence };
        tables.vips.borrow_mut().insert(key, vip);
        let world = Self {
            tables,
            limit,
            present: all.iter().map(|slot| slot.member).collect::<HashSet<_>>().into(),
            all: all.into(),
            ports,
            bases: HashMap::new().into(),
            agreed: HashMap::new().into(),
            protocol,
            seen: Vec::new().into(),
        };
        world.serve();
        world
    }

    fn pool(&self) -> Rc<Pool> {
        self.tables.pool(POOL).unwrap()
    }

    fn serve(&self) {
        let (all, present) = (self.all.borrow(), self.present.borrow());
        let mut members: Vec<Slot> =
            all.iter().filter(|slot| present.contains(&slot.member)).copied().collect();
        schedule::seat(&mut members);
        let mut turns: Vec<_> = members.iter().map(|slot| Turn::new(slot.weight)).collect();
        let cycle = Cycle::new(&mut turns);
        let mut pool = *self.pool();
        pool.generation += 1;
        pool.members = members.len() as u32;
        pool.ticks = cycle.period() as u32;
        for (tick, slot) in (0..pool.ticks).zip(cycle) {
            self.tables.ticks.borrow_mut().insert(pool.part(POOL, tick), members[slot].member);
        }
        self.tables.identities.borrow_mut().clear();
        for slot in &members {
            let identity = Identity { incarnation: 1, pool: POOL };
            self.tables.identities.borrow_mut().insert(slot.member, identity);
            self.tables.slots.borrow_mut().insert(pool.part(POOL, slot.member), *slot);
            let seat = pool.part(POOL, slot.leaf.into());
            self.tables.seats.borrow_mut().insert(seat, slot.member);
        }
        for node in 0..pool.leaves {
            let node_of = pool.part(POOL, node);
            self.tables.nodes.borrow_mut().insert(node_of, Rc::new(Node::default()));
        }
        self.tables.pools.borrow_mut().insert(POOL, Rc::new(pool));
    }

    pub(crate) fn step(&self, step: Step) {
        match step {
            Step::Client { client: index, flags, payload, base } => {
                if let Some(base) = base {
                    self.bases.borrow_mut().entry(client(index)).or_default().client = base;
                }
                self.packet(client(index), LISTENER, flags, payload);
            }
            Step::Member { which, flags, payload, base } => {
                if let Some((vip, member)) = self.seen(which) {
                    if let Some(base) = base {
                        let client = self.who((member, vip));
                        self.bases.borrow_mut().entry(client).or_default().member = base;
                    }
                    self.packet(member, vip, flags, payload);
                }
            }
            Step::Unreachable { which } => {
                if let Some(ends) = self.seen(which).filter(|_| self.is_udp()) {
                    self.unreachable(ends);
                }
            }
            Step::Wait(milliseconds) => self.wait(milliseconds),
            Step::Sweep(order) => self.sweep(order),
            Step::Members(members) => {
                *self.present.borrow_mut() = members.into_iter().collect();
                self.serve();
            }
            Step::Policy { method, times, limit } => {
                for slot in self.all.borrow_mut().iter_mut() {
                    (slot.weight, slot.limit) = (slot.weight / slot.weight.min(16) * times, limit);
                }
                let mut pool = *self.pool();
                pool.method = method as u32;
                pool.tournament = method.tournament(limit != 0);
                self.tables.pools.borrow_mut().insert(POOL, Rc::new(pool));
                self.serve();
            }
            // What the members of a UDP pool say has to come by.
            Step::Mode(Mode::Dsr) if self.is_udp() => {}
            Step::Mode(mode) => {
                let pool = Pool { mode: mode as u32, ..*self.pool() };
                self.tables.pools.borrow_mut().insert(POOL, Rc::new(pool));
            }
            Step::Drain { member, within, down } => {
                let end = self.tables.now.get() + within * MILLISECOND;
                let cause = if down { DrainCause::MarkedDown } else { DrainCause::Timeout };
                let drain = Rc::new(Drain::new(end, cause));
                self.tables.drains.borrow_mut().insert(member, drain);
            }
        }
        self.check();
    }

    /// The ends of one of the segments that reached members.
    fn seen(&self, which: usize) -> Option<(SocketAddrV4, SocketAddrV4)> {
        let seen = self.seen.borrow();
        seen.get(which % seen.len().max(1)).copied()
    }

    /// Key of the entry of packets with these ends.
    pub(crate) fn key(&self, ends: (SocketAddrV4, SocketAddrV4)) -> FlowKey {
        FlowKey::new(tuple(ends), 0, self.protocol)
    }

    pub(crate) fn wait(&self, milliseconds: u64) {
        self.tables.now.set(self.tables.now.get() + milliseconds * MILLISECOND);
    }

    pub(crate) fn sweep(&self, order: u64) {
        let mut keys: Vec<_> = self.tables.flows.borrow().keys().copied().collect();
        let spread = |key: &FlowKey| {
            let ports = u64::from(key.tuple.sport.get()) << 16 | u64::from(key.tuple.dport.get());
            let host = u64::from(key.tuple.src.to_v4().get());
            (host ^ ports ^ order).wrapping_mul(order | 1)
        };
        keys.sort_by_key(spread);
        let mut sent = Sent::default();
        for key in keys {
            let flow = self.tables.flow(&key).unwrap();
            expire(&self.tables, &mut sent, &key, &flow, self.tables.now()).unwrap();
        }
        self.check_drained();
        assert!(sent.frames.is_empty() || !self.is_udp(), "UDP knows no RST");
        // They come in like any other frame.
        for reset in sent.frames {
            assert!(frame::is_sound(&reset));
            let (verdict, _) = self.run(reset);
            assert!(matches!(verdict, Ok(Verdict::Forward(_))), "a RST of ours became {verdict:?}");
        }
    }

    /// Sends a segment through and checks what came out of it.
    fn packet(&self, src: SocketAddrV4, dst: SocketAddrV4, flags: u8, payload: usize) {
        let input = self.frame(src, dst, flags, payload);
        assert!(frame::is_sound(&input));
        let orphans = self.orphans();
        let asked = self.ask(&input);
        let (verdict, output, hop) = self.watch(input.clone());
        self.compare(asked, (src, dst), verdict);
        if !self.is_udp() {
            self.shake(&input, verdict);
        }
        assert!(self.orphans() <= orphans, "{src} {dst}: half a connection");
        if verdict == Ok(Verdict::Refuse(RefuseReason::NoPort)) {
            self.ports.check_refusal(&self.tables, &self.pool(), &self.all.borrow());
        }
        let Ok(Verdict::Forward(direction)) = verdict else {
            assert_eq!(output, input, "changed and not forwarded");
            return;
        };
        assert!(frame::is_sound(&output), "{src} {dst}: wrong checksum");
        let (new_src, new_dst) = frame::ends(&output);
        // A member that refused may have had the connection in another mode than the next one.
        let moved = direction == Direction::ToMember && dst != LISTENER && hop.is_some();
        let mode = self.mode_of(if moved { (new_src, new_dst) } else { (src, dst) });
        assert_eq!(hop.is_some(), mode == Some(Mode::Dsr), "{src} {dst}");
        if src == LISTENER || hop.is_some() {
            let opens = frame::opens(&input);
            assert!(moved || opens || output == input, "packets stay as they are");
            let (src, dst) = (new_src, new_dst);
            assert!(src == LISTENER || dst == LISTENER);
            let is_member = |hop| self.all.borrow().iter().any(|slot| slot.address == hop);
            assert!(hop.is_none_or(is_member), "{hop:?}");
            if src != LISTENER {
                self.seen.borrow_mut().push((src, LISTENER));
            }
            return;
        }
        match direction {
            Direction::ToMember => {
                let pool = self.pool();
                // One that moves has the pool's mode from now on.
                if mode.unwrap_or(pool.mode()) == Mode::Dnat {
                    assert!(new_src == src || dst != LISTENER, "{new_src}");
                } else {
                    assert!(self.ports.sources().contains(new_src.ip()), "{new_src}");
                    assert_ne!(new_src, LISTENER);
                    let ports = pool.port_low..=pool.port_high;
                    assert!(ports.contains(&new_src.port()), "{new_src}");
                }
                let all = self.all.borrow();
                assert!(all.iter().any(|slot| slot.address == (*new_dst.ip()).into()));
                drop(all);
                self.seen.borrow_mut().push((new_src, new_dst));
            }
            Direction::ToClient => assert_eq!(new_src, LISTENER),
        }
        if direction == Direction::ToClient && dst == LISTENER {
            // A SYN on a connection that is open: the client is asked what it means.
            assert!(frame::opens(&input) && frame::acknowledges(&output) && new_dst == src);
            return;
        }
        let mut began = (src, dst);
        if direction == Direction::ToMember && dst != LISTENER {
            // The member refused, and what goes to the next one is the client's SYN.
            assert!(flags & Flags::RST != 0 && !self.is_known(began), "{src} {dst}");
            began = self.client_of((new_src, new_dst));
        }
        assert!(direction == Direction::ToClient || self.is_whole(began), "{src} {dst}");
        if self.is_udp() {
            self.check_way(began, direction);
        } else {
            self.reverse(&output, began);
        }
    }

    pub(crate) fn count(&self, event: Event) -> u64 {
        self.tables.counters.borrow().get(&event.number()).copied().unwrap_or(0)
    }

    pub(crate) fn run(&self, frame: Vec<u8>) -> (Result<Verdict, DropReason>, Vec<u8>) {
        let (verdict, output, _) = self.watch(frame);
        (verdict, output)
    }

    /// What becomes of the frame, and which next hop it is given.
    fn watch(&self, frame: Vec<u8>) -> (Result<Verdict, DropReason>, Vec<u8>, Option<Addr>) {
        let mut watched = Watched { frame: Frame(frame), hop: None };
        let verdict = forward(&mut watched, &self.tables);
        self.tables.count(Counter::from(verdict));
        (verdict, watched.frame.0, watched.hop)
    }

    /// A frame that need not be well formed.
    pub(crate) fn garbage(&self, frame: Vec<u8>) {
        let (verdict, output) = self.run(frame.clone());
        assert_eq!(output.len(), frame.len());
        if !matches!(verdict, Ok(Verdict::Forward(_))) {
            assert_eq!(output, frame);
        }
    }

    pub(crate) fn malformed(&self, frame: Vec<u8>) {
        let length = frame.len();
        let (verdict, output) = self.run(frame.clone());
        assert_eq!(verdict, Ok(Verdict::Pass(PassReason::Malformed)), "{length} bytes");
        assert_eq!(output, frame);
    }
}
