//! The compiled object, run packet by packet.

mod run;
mod steps;
mod tested;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;
use std::{iter, mem};

use lb_common::route::Answer;
use lb_common::state::{Event, FlowKey, Fragmented, NEXT_HOPS};
use lb_userspace::datapath::{Datapath as Loaded, Enter, Entrances, Events, Maps, Options, Router};

use super::action::Datapath;
use super::front::Front;
use super::inlet::Ear;
use super::outside;
use super::pins::Pins;
use super::ports::ports;
use super::raw::Raw;
use super::setup::{drain_word, options};
use super::snapshot::{MEMBERS, direction};
pub(super) use run::show;
pub use tested::{Hook, Tested};

use super::{
    Action, Age, Ages, Entry, Error, Fragments, Heard, Member, POOL, Ran, Snapshot, Stamping, Stuck,
};

/// Zone of a device that shares a datapath, and how many there are.
const ZONE: u16 = 7;
const ZONES: u32 = 9;

/// Room for the largest frame a test run takes.
pub(super) const ROOM: usize = 4096;

/// A datapath loaded into the kernel, attached nowhere.
pub struct Kernel {
    loaded: Loaded,
    /// The same object loaded again on the same maps, as an upgrade does.
    successor: Option<Loaded>,
    options: Options,
    front: Option<Front>,
    /// Whether frames meet the program at the outer end of their device first.
    outside: bool,
    /// What frames meet first where devices share the datapath.
    enter: Option<Enter>,
    maps: Maps,
    router: Router,
    raw: Raw,
    ear: Ear,
    sent: Vec<Vec<u8>>,
    spent: Duration,
    events: Events,
    pins: Pins,
    summed: bool,
}

impl Kernel {
    /// Loads the object with room for `max_flows` conntrack entries.
    ///
    /// # Errors
    /// When the kernel refuses; it wants root.
    pub fn load(max_flows: u32) -> Result<Self, Error> {
        Self::with(options(max_flows), None)
    }

    /// The same with the XDP program in front of that of TC: frames meet it first. Once in each `2^confirm`
    /// nanoseconds a direction of a connection passes on a packet for the neighbour's sake; with `redirects` it
    /// sends by a redirect.
    ///
    /// # Errors
    /// When the kernel refuses; it wants root.
    pub fn load_in_front(max_flows: u32, confirm: u32, redirects: bool) -> Result<Self, Error> {
        let options = Options { confirm, redirects, ..options(max_flows) };
        Self::with(options, Some(Front::new()?))
    }

    /// The same for a device that shares the datapath with others, of which there are none.
    ///
    /// # Errors
    /// When the kernel refuses; it wants root.
    pub fn load_in_zone(max_flows: u32) -> Result<Self, Error> {
        Self::with(Options { zones: ZONES, ..options(max_flows) }, None)
    }

    /// The same with the program at the outer end of the device, which may share its programs: frames meet it first.
    ///
    /// # Errors
    /// When the kernel refuses; it wants root.
    pub fn load_outside(max_flows: u32, shared: bool) -> Result<Self, Error> {
        let zones = if shared { ZONES } else { 1 };
        let options = Options { zones, next_hops: NEXT_HOPS, ..options(max_flows) };
        let mut kernel = Self::with(options, None)?;
        outside::fill(&mut kernel.loaded, zone(&options), kernel.pins.path())?;
        kernel.outside = true;
        Ok(kernel)
    }

    fn with(options: Options, front: Option<Front>) -> Result<Self, Error> {
        let pins = Pins::make()?;
        let mut loaded = Loaded::load(&options, Some(pins.path()))?;
        let maps = loaded.take_maps()?;
        let enter = match options.is_zoned() {
            true => Some(Entrances::new(pins.path()).load(ZONE)?),
            false => None,
        };
        let router = router(&mut loaded, &pins, zone(&options))?;
        let raw = Raw::of(pins.path())?;
        let (ear, sent, spent) = (Ear::new()?, Vec::new(), Duration::ZERO);
        let events = Events::open(pins.path())?;
        Ok(Self {
            loaded,
            successor: None,
            options,
            front,
            outside: false,
            enter,
            maps,
            router,
            raw,
            ear,
            sent,
            spent,
            events,
            pins,
            summed: false,
        })
    }

    /// Replaces the programs by ones of a second load on the same maps, by the way of their pins,
    /// as the controller does that adopts a pool; the next time the other way round.
    ///
    /// # Errors
    /// When the kernel refuses the second load.
    pub fn replace(&mut self) -> Result<(), Error> {
        let successor = match self.successor.take() {
            Some(loaded) => loaded,
            None => Loaded::load(&self.options, Some(self.pins.path()))?,
        };
        self.successor = Some(mem::replace(&mut self.loaded, successor));
        if self.outside {
            outside::fill(&mut self.loaded, zone(&self.options), self.pins.path())?;
        }
        self.router = router(&mut self.loaded, &self.pins, zone(&self.options))?;
        Ok(())
    }

    /// From now on frames come with the sum that a network card computes over them, or without; GSO
    /// packets always come without, and so do all on kernels before 6.16.
    pub const fn come_summed(&mut self, summed: bool) {
        self.summed = summed;
    }

    /// The maps, for tests that are about more than a snapshot holds.
    #[must_use]
    pub const fn maps(&self) -> &Maps {
        &self.maps
    }

    /// Asks who would get a connection, as does `qlb route`.
    ///
    /// # Errors
    /// When the program cannot be run or a map not be read.
    pub fn route(&self, src: SocketAddr, dst: SocketAddr, protocol: u8) -> Result<Answer, Error> {
        Ok(self.router.ask(src, dst, protocol, &self.maps)?)
    }

    /// Everything that is in the maps, a line for each entry.
    ///
    /// # Errors
    /// When a map cannot be read.
    pub fn dump(&self) -> Result<BTreeSet<String>, Error> {
        self.raw.dump()
    }

    /// Makes everything as if just loaded, in much less time than loading takes.
    ///
    /// # Errors
    /// When a map cannot be written.
    pub fn clear(&mut self) -> Result<(), Error> {
        self.raw.clear()
    }

    /// Makes a member's count wrong by this.
    ///
    /// # Errors
    /// When the map cannot be written.
    pub fn falsify(&mut self, member: u32, by: u32) -> Result<(), Error> {
        self.raw.falsify(member, by)
    }

    /// Makes the listener's count wrong by this.
    ///
    /// # Errors
    /// When the map cannot be written.
    pub fn falsify_listener(&mut self, by: u32) -> Result<(), Error> {
        self.raw.falsify_listener(by)
    }

    /// Asks for events from now on.
    ///
    /// # Errors
    /// When the map cannot be written.
    pub fn listen(&mut self) -> Result<(), Error> {
        Ok(self.events.listen(Duration::MAX)?)
    }

    /// The events since the last call.
    pub fn heard(&mut self) -> Vec<Heard> {
        let zone = zone(&self.options);
        let events = iter::from_fn(|| self.events.read());
        let told = |event: Event| {
            assert_eq!(event.zone, zone, "{event:?}");
            Heard::from(&Event { zone: 0, ..event })
        };
        events.map(told).collect()
    }

    /// All state.
    ///
    /// # Errors
    /// When a map cannot be read.
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        let member = |index| -> Result<Member, Error> {
            let load = self.maps.load(index)?;
            let stats = self.maps.stats(index)?;
            Ok(Member {
                active: load.active.get(),
                stamp: load.stamp.get(),
                failures: load.failures.get(),
                out: Age::of(load.out_until.get()),
                stats,
            })
        };
        let flows = self.maps.flows()?;
        Ok(Snapshot {
            counters: self.counters()?,
            members: (0..MEMBERS).map(member).collect::<Result<_, _>>()?,
            active: self.maps.vip_load(POOL)?.active.get(),
            budget: Age::of(self.raw.budget()?.0.get()),
            sticky: self
                .maps
                .sticky()?
                .iter()
                .map(|(key, entry)| Stuck::entry(key, entry))
                .collect(),
            flows: flows
                .iter()
                .map(|(key, flow)| ((direction(&key.tuple), key.protocol), Entry::from(flow)))
                .collect(),
            fragments: self
                .raw
                .fragmented()?
                .iter()
                .map(|(key, known)| Fragments::entry(key, known))
                .collect(),
            ports: ports(self.maps.port_blocks()?.iter().map(|(key, block)| (*key, block))),
        })
    }

    /// Active connections of the first `members` indexes.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn active(&self, members: u32) -> Result<Vec<u32>, Error> {
        (0..members).map(|member| Ok(self.maps.load(member)?.active.get())).collect()
    }

    /// Time that frames have spent in the program, as the kernel measured it.
    #[must_use]
    pub const fn spent(&self) -> Duration {
        self.spent
    }

    /// The order in which a sweep walks conntrack now: bucket by bucket, as does an iteration.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn walk(&self) -> Result<Vec<FlowKey>, Error> {
        self.raw.walk()
    }

    fn settle(&mut self) -> Result<(), Error> {
        for (key, mut flow) in self.maps.flows()? {
            if Age::of(flow.opened) == Age::Now {
                flow.opened = Age::Future.stamp(0);
                self.raw.change_flow(key, flow)?;
            }
        }
        Ok(())
    }

    fn stamp(&mut self, stamping: &Stamping) -> Result<(), Error> {
        for (key, mut flow) in self.maps.flows()? {
            let Ages { seen, news, opened } = stamping.of(&key, flow.is_from_member());
            flow.last_seen.set(seen.stamp(0));
            flow.last_news.set(news.stamp(0));
            flow.opened = opened.stamp(0);
            self.raw.change_flow(key, flow)?;
        }
        for (key, known) in self.raw.fragmented()? {
            let until = stamping.of_client(key.src).stamp(0);
            self.raw.change_fragmented(key, Fragmented { until, ..known })?;
        }
        for (key, sticky) in self.maps.sticky()? {
            let used = stamping.of_client(key.client);
            sticky.used.set(used.stamp(0));
            self.raw.change_sticky(key, sticky)?;
        }
        Ok(())
    }
}

/// Zone of the device that frames come in on.
const fn zone(options: &Options) -> u16 {
    if options.is_zoned() { ZONE } else { 0 }
}

/// The program to be asked, by the way of its pin.
fn router(loaded: &mut Loaded, pins: &Pins, zone: u16) -> Result<Router, Error> {
    loaded.share(pins.path())?;
    Ok(Router::open(pins.path(), zone)?.expect("it was just pinned"))
}

impl Datapath for Kernel {
    fn take_sent(&mut self) -> Vec<Vec<u8>> {
        mem::take(&mut self.sent)
    }

    fn act(&mut self, action: &Action) -> Result<Option<Ran>, Error> {
        match action {
            Action::Frame(frame) => return self.run(frame, None).map(Some),
            Action::Gso(frame, size) => return self.run(frame, Some(*size)).map(Some),
            Action::Install(pool, target) => self.install(*pool, target)?,
            Action::ForgetPool(pool) => self.raw.forget_pool(*pool)?,
            Action::Eject(member, until) => self.raw.eject(*member, until.stamp(0))?,
            Action::Drain(member, drain) => self.raw.drain(*member, drain_word(*drain, 0))?,
            Action::Spend(until) => self.raw.spend(until.stamp(0))?,
            Action::Settle => self.settle()?,
            Action::Stamp(stamping) => self.stamp(stamping)?,
            Action::Sweep => drop(self.sweep()?),
        }
        Ok(None)
    }
}
