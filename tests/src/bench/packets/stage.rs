//! A datapath with connections, made by the harness: one by one they would take minutes.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::time::Instant;

use lb_common::addr::Addr;
use lb_common::be::Be16;

use super::error::Error;
use super::frames::{Flow, Segment, client, known_members};
use super::harness::Harness;
use super::path::{Case, Ready, Setting};
use super::report::Held;
use crate::datapath::{Action, Datapath as _, Family, Kernel, LISTENER, Tcp, World};

/// Nanoseconds that no measurement takes.
const LONG: u64 = 3_600_000_000_000;
/// Connections that the datapath has room for at least: as many as a pool has by default.
const ROOM: u32 = 65_536;
/// The datapath passes on a packet for the neighbour's sake when the clock's bit of this number changes, which it does
/// not.
const NEVER: u32 = 63;

/// A datapath and its connections.
pub(super) struct Stage {
    pub(super) kernel: Kernel,
    case: Case,
    /// Connections that there is room for.
    room: u32,
    /// Those that were established when it was made.
    pub(super) flows: Vec<Flow>,
    /// Number of the next client.
    next: u32,
    /// Bytes of the kernel for its maps of connections when there was none.
    empty: u64,
}

impl Stage {
    /// For a row, with room for `spare` connections more.
    pub(super) fn new(case: &Case, spare: u32) -> Result<Self, Error> {
        let room = (case.flows + spare).max(ROOM);
        let max_flows = 2 * room;
        let kernel = match case.setting {
            Setting::Tc => Kernel::load(max_flows)?,
            Setting::Shared => Kernel::load_in_zone(max_flows)?,
            Setting::Outer => Kernel::load_outside(max_flows, false)?,
            Setting::Xdp => Kernel::load_in_front(max_flows, NEVER, false)?,
        };
        let mut stage = Self { kernel, case: *case, room, flows: Vec::new(), next: 0, empty: 0 };
        stage.empty = stage.memory()?;
        stage.fill()?;
        Ok(stage)
    }

    /// Bytes of the kernel for entries and NAT ports of all its connections; tables that are there without any do not count.
    pub(super) fn memory(&self) -> Result<u64, Error> {
        let maps = ["FLOWS", "PORTS"].map(|map| self.kernel.memory(map));
        let all = maps.into_iter().sum::<Result<u64, _>>()?;
        Ok(all.saturating_sub(self.empty))
    }

    /// What its connections take.
    pub(super) fn held(&mut self) -> Result<Held, Error> {
        let bytes = self.memory()?;
        let start = Instant::now();
        self.kernel.sweep()?;
        Ok(Held { flows: self.case.flows, bytes, sweep: start.elapsed() })
    }

    /// Connections that there is room for.
    pub(super) const fn room(&self) -> u32 {
        self.room
    }

    /// For another row, or as it was at first. The datapath has to be of the same setting.
    pub(super) fn renew(&mut self, case: &Case) -> Result<(), Error> {
        self.kernel.clear()?;
        self.case = *case;
        self.fill()
    }

    fn fill(&mut self) -> Result<(), Error> {
        let Case { family, method, pools, members, flows, .. } = self.case;
        let mut world = World { method, ..World::new(&vec![1; members]) };
        world.ports = (1024, u16::MAX);
        let timers = &mut world.timers;
        for timer in [
            &mut timers.opening,
            &mut timers.client,
            &mut timers.server,
            &mut timers.closing,
            &mut timers.closed,
        ] {
            *timer = LONG;
        }
        if self.is_near() {
            world.newcomers = known_members(members);
            world.members = world.newcomers.iter().map(|index| (*index, 1)).collect();
        }
        let install = family.action(&world.install());
        self.kernel.act(&install)?;
        if let Action::Install(_, target) = &install {
            self.kernel.crowd(target, pools)?;
        }
        self.next = 0;
        self.flows = self.establish(flows)?;
        Ok(())
    }

    /// Frames to and from hosts that a program has to know the way to by itself.
    fn is_near(&self) -> bool {
        matches!(self.case.setting, Setting::Outer | Setting::Xdp)
    }

    /// So many clients that have not been there yet, with a connection to nobody.
    pub(super) fn newcomers(&mut self, count: u32) -> Vec<Flow> {
        let numbers = self.next..self.next + count;
        self.next += count;
        let flow = |number| Flow {
            client: client(number, self.is_near()),
            source: LISTENER,
            member: LISTENER,
        };
        numbers.map(flow).collect()
    }

    /// Opens connections, and finds out who has got them.
    pub(super) fn open(&mut self, count: u32) -> Result<Vec<Flow>, Error> {
        let newcomers = self.newcomers(count);
        self.send(Segment::Syn, &newcomers)?;
        let found = self.found()?;
        let opened: Vec<Flow> =
            newcomers.iter().filter_map(|flow| found.get(&flow.client).copied()).collect();
        if opened.len() == newcomers.len() {
            return Ok(opened);
        }
        Err(Error::Connections { wanted: newcomers.len(), found: opened.len() })
    }

    /// Opens connections and completes their handshakes.
    pub(super) fn establish(&mut self, count: u32) -> Result<Vec<Flow>, Error> {
        let opened = self.open(count)?;
        self.send(Segment::SynAck, &opened)?;
        self.send(Segment::ClientAck, &opened)?;
        Ok(opened)
    }

    /// So many connections that are ready for a way, and have not been there yet.
    pub(super) fn ready(&mut self, ready: Ready, count: u32) -> Result<Vec<Flow>, Error> {
        match ready {
            Ready::Unknown => Ok(self.newcomers(count)),
            Ready::Opening => self.open(count),
            Ready::Established => self.establish(count),
            Ready::HalfClosed => {
                let flows = self.establish(count)?;
                self.send(Segment::ClientFin, &flows)?;
                Ok(flows)
            }
        }
    }

    /// The frame that a segment is in.
    pub(super) fn frame(&self, segment: Segment, flow: &Flow) -> Vec<u8> {
        segment.frame(flow, self.case.family)
    }

    /// Has the TC program see a segment of each connection.
    pub(super) fn send(&mut self, segment: Segment, flows: &[Flow]) -> Result<(), Error> {
        if flows.is_empty() {
            return Ok(());
        }
        let frames: Vec<Vec<u8>> = flows.iter().map(|flow| self.frame(segment, flow)).collect();
        Harness::new(&self.kernel.tested()?, &frames, None)?.run(flows.len() as u32)?;
        Ok(())
    }

    /// The connections that are there, by their clients.
    fn found(&self) -> Result<HashMap<SocketAddrV4, Flow>, Error> {
        let flows = self.kernel.maps().flows()?;
        let of_clients = flows.iter().filter(|(_, entry)| !entry.is_from_member());
        Ok(of_clients
            .map(|(key, entry)| {
                let to = entry.rewrite.to;
                let client = end(key.tuple.src, key.tuple.sport);
                let flow =
                    Flow { client, source: end(to.src, to.sport), member: end(to.dst, to.dport) };
                (client, flow)
            })
            .collect())
    }
}

/// An end of a connection, in IPv4 whatever it is told in: the last words of an address say it.
fn end(address: Addr, port: Be16) -> SocketAddrV4 {
    let address = match IpAddr::from(address) {
        IpAddr::V4(v4) => v4,
        IpAddr::V6(v6) => Ipv4Addr::from_bits(v6.to_bits() as u32),
    };
    SocketAddrV4::new(address, port.get())
}

/// A SYN to this port of the VIP, of a client that has no connection.
pub(super) fn stranger(port: u16, family: Family) -> Vec<u8> {
    const NOBODY: u32 = 4_000_000;
    let (client, listener) = (client(NOBODY, true), SocketAddrV4::new(*LISTENER.ip(), port));
    family.frame(&Tcp::new(client, listener, "S").frame())
}
