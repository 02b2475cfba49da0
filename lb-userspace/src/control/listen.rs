//! Listening to pools with the same maps: their ring has one reader, who passes the events on.

use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

use lb_common::state::Event;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use nix::time::ClockId;
use zerocopy::FromBytes as _;

use super::ControlError;
use super::heard::Heard;
use super::others::{Others, UNHEARD};
use crate::datapath::Events;
use crate::node::clock;
use crate::registry::{Lock, Record, Registry, RegistryError};

/// How often the datapath is told that somebody still listens; and how often the records are looked at, as long as
/// there are pauses.
pub(super) const RENEW: Duration = Duration::from_secs(1);
/// How often somebody is asked who reads the ring and has opened no door yet, and how long it is waited in between.
const TRIES: u32 = 20;
const MOMENT: Duration = Duration::from_millis(5);
/// Most events between two looks for others who want to hear.
const GO: usize = 1024;
/// How long the datapath believes that.
const LEASE: Duration = Duration::from_secs(5);
/// How long it does where somebody is only about to listen: hundreds of other pools may have to start first.
const START: Duration = Duration::from_secs(300);

/// What a listener hears first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beginning {
    /// The next event.
    Next,
    /// The first event that nobody has heard.
    Unheard,
}

/// Where events come from.
pub(super) enum Source {
    /// The ring, which nobody else reads.
    Ring {
        /// It.
        events: Box<Events>,
        /// Those who hear of events by this process. Before the claim, so that the next one's door stays.
        others: Option<Box<Others>>,
        /// The right to read it.
        claim: Lock,
        /// Events that were read.
        seen: usize,
    },
    /// Whoever reads the ring.
    Relay {
        /// The connection to it.
        stream: UnixStream,
        /// What has come of an event.
        partial: Vec<u8>,
        /// Whether it has ended.
        ended: bool,
    },
}

/// A listener to pools with the same maps.
pub(super) struct Listener {
    pub(super) heard: Heard,
    pub(super) source: Source,
    beginning: Beginning,
    /// When the datapath was told last.
    held: Duration,
    /// When the records were looked at last.
    renewed: Duration,
}

impl Listener {
    /// Listens to the ring if it is to be had, else by whoever reads it. Waits a moment where somebody reads it who does
    /// not pass it on. None if the pools have ended meanwhile.
    pub(super) fn start(
        registry: &Registry,
        mut heard: Heard,
    ) -> Result<Option<Self>, ControlError> {
        let mut tries = TRIES;
        loop {
            match source(registry, &heard, Beginning::Next) {
                // Whoever has the ring is about to open the door, or to leave.
                Err(ControlError::Registry(RegistryError::Heard { .. })) if tries > 0 => {
                    tries -= 1;
                    thread::sleep(MOMENT);
                }
                Err(error @ ControlError::Registry(RegistryError::Heard { .. })) => {
                    return Err(error);
                }
                Err(_) if is_over(registry, &mut heard)? => return Ok(None),
                found => {
                    // Ended and begun anew, while it was waited for.
                    let found = found.or_else(|_| source(registry, &heard, Beginning::Next))?;
                    return Self::at(found, heard, Beginning::Next).map(Some);
                }
            }
        }
    }

    /// As [`Self::start`] without waiting, and hears also what nobody has heard yet.
    pub(super) fn start_unheard(registry: &Registry, heard: Heard) -> Result<Self, ControlError> {
        Self::at(source(registry, &heard, Beginning::Unheard)?, heard, Beginning::Unheard)
    }

    fn at(source: Source, heard: Heard, beginning: Beginning) -> Result<Self, ControlError> {
        let now = monotonic()?;
        Ok(Self { heard, source, beginning, held: now, renewed: now })
    }

    /// The next event of any pool at the device, if it has come. Whoever never comes to the end of them asks for more
    /// by this alone.
    pub(super) fn read(&mut self) -> Result<Option<Event>, ControlError> {
        Ok(match &mut self.source {
            Source::Ring { events, others, seen, .. } => {
                let now = monotonic()?;
                if now >= self.held + RENEW {
                    self.held = now;
                    hold(events, now + LEASE)?;
                }
                if let Some(others) = others
                    && seen.is_multiple_of(GO)
                {
                    others.let_in();
                }
                let event = events.read();
                // Whoever comes in a pause is let in before the next event.
                *seen = if event.is_some() { *seen + 1 } else { 0 };
                if let (Some(event), Some(others)) = (&event, others) {
                    let is_logged = self.beginning == Beginning::Unheard;
                    others.pass_on(event, is_logged && self.heard.of(event).is_some());
                }
                event
            }
            Source::Relay { stream, partial, ended } => {
                while partial.len() < size_of::<Event>() && !*ended {
                    let mut bytes = [0; size_of::<Event>()];
                    let missing = size_of::<Event>() - partial.len();
                    match stream.read(&mut bytes[..missing]) {
                        Ok(0) => *ended = true,
                        Ok(read) => partial.extend(&bytes[..read]),
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Err(_) => *ended = true,
                    }
                }
                let event = Event::read_from_bytes(partial).ok();
                partial.clear();
                event
            }
        })
    }

    /// Whether whoever passed the events on does not any more.
    pub(super) const fn is_cut_off(&self) -> bool {
        matches!(self.source, Source::Relay { ended: true, .. })
    }

    /// Looks at the records when it is time to; false if all the pools have ended.
    pub(super) fn renew(&mut self, registry: &Registry) -> Result<bool, ControlError> {
        let now = monotonic()?;
        if now < self.renewed + RENEW {
            return Ok(true);
        }
        self.renewed = now;
        if let Source::Ring { claim, .. } = &self.source
            && !registry.is_listener(&self.heard.place, claim)
        {
            self.heard.end();
            return Ok(false);
        }
        self.heard.refresh(registry)
    }

    /// Asks for no more, unless somebody else is about to listen.
    pub(super) fn leave(&mut self) -> Result<(), ControlError> {
        match &mut self.source {
            Source::Ring { events, .. } if events.until()? <= self.held + LEASE => {
                Ok(events.listen(Duration::ZERO)?)
            }
            Source::Ring { .. } | Source::Relay { .. } => Ok(()),
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.source {
            Source::Ring { events, .. } => events.as_fd(),
            Source::Relay { stream, .. } => stream.as_fd(),
        }
    }
}

/// Tells the datapath of a pool that somebody is about to listen, who hears then what has happened since. What is still to be heard
/// from before is forgotten if there is something between that was not told.
pub(super) fn expect_listener(registry: &Registry, record: &Record) -> Result<(), ControlError> {
    let now = monotonic()?;
    let mut events = Events::open(&registry.pins(record))?;
    if events.until()? < now {
        // Whoever has the claim reads them.
        if let Ok(_claim) = registry.listen("", record) {
            while events.read().is_some() {}
        }
    }
    hold(&mut events, now + START)
}

/// Whether the pools have ended. Who is ending them is waited for: their pins are removed before their records.
fn is_over(registry: &Registry, heard: &mut Heard) -> Result<bool, ControlError> {
    let Some(_lock) = registry.lock_if_any()? else {
        heard.end();
        return Ok(true);
    };
    let over = !heard.refresh(registry)?;
    if over {
        registry.unlisten(&heard.place)?;
    }
    Ok(over)
}

/// Asks for events until then at least.
fn hold(events: &mut Events, until: Duration) -> Result<(), ControlError> {
    Ok(events.listen(until.max(events.until()?))?)
}

fn source(
    registry: &Registry,
    heard: &Heard,
    beginning: Beginning,
) -> Result<Source, ControlError> {
    match registry.listen(&heard.names(), &heard.place) {
        Ok(claim) => {
            let mut events = Box::new(Events::open(&registry.pins(&heard.place))?);
            let mut others = Others::at(registry.relay(&heard.place)).map(Box::new);
            if beginning == Beginning::Next {
                while let Some(event) = events.read() {
                    others.iter_mut().for_each(|others| others.keep(&event));
                }
            }
            hold(&mut events, monotonic()? + LEASE)?;
            Ok(Source::Ring { events, others, claim, seen: 0 })
        }
        Err(busy @ RegistryError::Heard { .. }) => {
            let Ok(stream) = ask(&registry.relay(&heard.place), heard, beginning) else {
                return Err(busy.into());
            };
            Ok(Source::Relay { stream, partial: Vec::new(), ended: false })
        }
        Err(error) => Err(error.into()),
    }
}

/// Asks whoever reads the ring for the events of these pools: their indexes, each in four bytes, with what
/// [`UNHEARD`] says.
fn ask(door: &Path, heard: &Heard, beginning: Beginning) -> io::Result<UnixStream> {
    let mut stream = knock(door)?;
    let beside = match beginning {
        Beginning::Next => 0,
        Beginning::Unheard => UNHEARD,
    };
    let wanted: Vec<u8> =
        heard.indexes().flat_map(|index| (index | beside).to_ne_bytes()).collect();
    stream.write_all(&wanted)?;
    Ok(stream)
}

/// Connects without waiting: whoever is to let in may be another task of this thread.
fn knock(door: &Path) -> io::Result<UnixStream> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    connect(socket.as_raw_fd(), &UnixAddr::new(door)?)?;
    Ok(socket.into())
}

fn monotonic() -> Result<Duration, ControlError> {
    clock(ClockId::CLOCK_MONOTONIC).map_err(ControlError::Start)
}
