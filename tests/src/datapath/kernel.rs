//! The compiled object, run packet by packet.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::sync::Barrier;
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;
use std::{iter, mem};

use aya::TestRunOptions;
use aya::programs::{SchedClassifier, TestRun as _};
use lb_common::counter::Event;
use lb_common::route::Answer;
use lb_common::state::{Drain, DrainCause, FlowKey};
use lb_userspace::datapath::{
    Datapath as Loaded, Events, Maps, Options, Router, counters, install,
};

use super::action::Datapath;
use super::complete::{self, Summed};
use super::front::Front;
use super::inlet::Ear;
use super::pins::Pins;
use super::ports::ports;
use super::raw::Raw;
use super::snapshot::{MEMBERS, direction};
use super::{
    Act, Action, Age, Ages, Entry, Error, Heard, Member, POOL, Ran, Snapshot, Stamping, Stuck,
};

/// Bytes of the kernel's `struct __sk_buff`, and where its `gso_size` lies (linux/bpf.h).
const SK_BUFF: usize = 192;
const GSO_SIZE: usize = 176;

/// Room for the largest frame a test run takes.
pub(super) const ROOM: usize = 4096;

/// Places for half-open connections beside this many conntrack entries, of which a connection takes
/// two. Where there is little room, an even number of entries has so few places that they run out first,
/// an odd one so many that the table does.
pub(super) const fn options(max_flows: u32) -> Options {
    let half_open = match max_flows / 2 {
        _ if max_flows % 2 == 1 => max_flows.next_power_of_two(),
        0 | 1 => 1,
        few @ ..1024 => 1 << few.ilog2(),
        many => many.next_power_of_two(),
    };
    Options { max_flows, half_open, ..Options::for_connections(0) }
}

/// A drain that ends at this age, where the clock shows `now`.
pub(super) const fn drain_word(drain: Option<(Age, DrainCause)>, now: u64) -> Drain {
    match drain {
        Some((end, cause)) => Drain::new(end.stamp(now), cause),
        None => Drain::new(0, DrainCause::Timeout),
    }
}

/// A datapath loaded into the kernel, attached nowhere.
pub struct Kernel {
    loaded: Loaded,
    /// The same object loaded again on the same maps, as an upgrade does.
    successor: Option<Loaded>,
    options: Options,
    front: Option<Front>,
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

    fn with(options: Options, front: Option<Front>) -> Result<Self, Error> {
        let pins = Pins::make()?;
        let mut loaded = Loaded::load(&options, Some(pins.path()))?;
        let maps = loaded.take_maps()?;
        let router = router(&mut loaded, &pins)?;
        let raw = Raw::of(pins.path())?;
        let (ear, sent, spent) = (Ear::new()?, Vec::new(), Duration::ZERO);
        let events = Events::open(pins.path())?;
        Ok(Self {
            loaded,
            successor: None,
            options,
            front,
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
        self.router = router(&mut self.loaded, &self.pins)?;
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
        iter::from_fn(|| self.events.read()).map(|event| Heard::from(&event)).collect()
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
            counters: counters(&self.maps)?,
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

    /// What the XDP program makes of a frame; none if it passes it on.
    fn run_early(&mut self, frame: &[u8]) -> Result<Option<Ran>, Error> {
        let Some(front) = &self.front else { return Ok(None) };
        let (ran, spent) = front.run(self.loaded.early()?, self.options.redirects, frame)?;
        self.spent += spent;
        Ok(ran)
    }

    fn run(&mut self, frame: &[u8], gso_size: Option<u32>) -> Result<Ran, Error> {
        // Where an XDP program is, no GSO packet comes.
        if gso_size.is_none()
            && let Some(ran) = self.run_early(frame)?
        {
            return Ok(ran);
        }
        let mut out = vec![0; ROOM];
        if self.summed && gso_size.is_none() {
            let program = self.loaded.ingress()?.fd()?;
            match complete::run(program.as_fd(), frame, &mut out)? {
                Summed::Right(verdict, len) => {
                    out.truncate(len);
                    return Ok(Ran { act: Act::from_return(verdict), frame: out });
                }
                Summed::Wrong => return Err(Error::StaleSum),
                Summed::Unknown => {}
            }
        }
        let mut context = [0; SK_BUFF];
        if let Some(size) = gso_size {
            context[GSO_SIZE..GSO_SIZE + 4].copy_from_slice(&size.to_ne_bytes());
        }
        let options = TestRunOptions {
            data_in: Some(frame),
            data_out: Some(&mut out),
            ctx_in: gso_size.is_some().then_some(&context),
            ..TestRunOptions::new()
        };
        let result = self.loaded.ingress()?.test_run(options)?;
        self.spent += result.duration;
        out.truncate(result.data_size_out as usize);
        Ok(Ran { act: Act::from_return(result.return_value), frame: out })
    }

    /// Sends lists of frames through at once: each of them by a thread of its own, in order.
    ///
    /// # Errors
    /// When the program cannot be run.
    pub fn at_once(&mut self, lists: &[Vec<Vec<u8>>]) -> Result<Vec<Ran>, Error> {
        let program: &SchedClassifier = self.loaded.ingress()?;
        let start = Barrier::new(lists.len());
        let run = |frame: &Vec<u8>| {
            let mut out = vec![0; ROOM];
            let options = TestRunOptions {
                data_in: Some(frame),
                data_out: Some(&mut out),
                ..TestRunOptions::new()
            };
            let result = program.test_run(options)?;
            out.truncate(result.data_size_out as usize);
            Ok(Ran { act: Act::from_return(result.return_value), frame: out })
        };
        let list = |list: &Vec<Vec<u8>>| {
            start.wait();
            list.iter().map(run).collect::<Result<Vec<Ran>, Error>>()
        };
        let ran = thread::scope(|scope| {
            let threads: Vec<_> = lists.iter().map(|of| scope.spawn(|| list(of))).collect();
            let join = |thread: ScopedJoinHandle<'_, _>| thread.join().expect("it does not panic");
            threads.into_iter().map(join).collect::<Result<Vec<_>, _>>()
        })?;
        Ok(ran.into_iter().flatten().collect())
    }

    /// Walks conntrack, as does [`Action::Sweep`]; returns how many entries there were.
    ///
    /// # Errors
    /// When the program cannot be run.
    pub fn sweep(&mut self) -> Result<u32, Error> {
        let resets = || self.maps.counter(Event::ResetSent.number());
        let before = resets()?;
        let entries = self.loaded.reaper()?.sweep(self.ear.inlet())?;
        self.sent.extend(self.ear.hear((resets()? - before) as usize)?);
        Ok(entries)
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
        for (key, sticky) in self.maps.sticky()? {
            let used = stamping.of_client(key.client);
            sticky.used.set(used.stamp(0));
            self.raw.change_sticky(key, sticky)?;
        }
        Ok(())
    }
}

/// The program to be asked, by the way of its pin.
fn router(loaded: &mut Loaded, pins: &Pins) -> Result<Router, Error> {
    loaded.share(pins.path())?;
    Ok(Router::open(pins.path())?.expect("it was just pinned"))
}

impl Datapath for Kernel {
    fn take_sent(&mut self) -> Vec<Vec<u8>> {
        mem::take(&mut self.sent)
    }

    fn act(&mut self, action: &Action) -> Result<Option<Ran>, Error> {
        match action {
            Action::Frame(frame) => return self.run(frame, None).map(Some),
            Action::Gso(frame, size) => return self.run(frame, Some(*size)).map(Some),
            Action::Install(pool, target) => install(&mut self.maps, *pool, target)?,
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
