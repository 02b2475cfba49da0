//! Listening to pools with the same maps: their ring has one reader; when that is a controller it passes the events on.

use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

use lb_common::state::Event;
use nix::time::ClockId;
use zerocopy::FromBytes as _;

use super::ControlError;
use super::heard::Heard;
use super::others::Others;
use crate::datapath::Events;
use crate::node::clock;
use crate::registry::{Lock, Registry, RegistryError};

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

/// Where events come from.
pub(super) enum Source {
    /// The ring, which nobody else reads.
    Ring {
        /// It.
        events: Box<Events>,
        /// The right to read it.
        claim: Lock,
        /// Those who hear of events by this process.
        others: Option<Others>,
        /// Events that were read.
        seen: usize,
    },
    /// A controller that reads the ring.
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
    /// When the datapath was told last.
    held: Duration,
    /// When the records were looked at last.
    renewed: Duration,
}

impl Listener {
    /// Begins with the next event, of the ring if it is to be had, else by whoever reads it.
    pub(super) fn start(registry: &Registry, heard: Heard) -> Result<Self, ControlError> {
        let mut tries = TRIES;
        loop {
            match Self::try_start(registry, &heard) {
                // Whoever has the ring is about to open the door, or to leave.
                Err(ControlError::Registry(RegistryError::Heard { .. })) if tries > 0 => {
                    tries -= 1;
                    thread::sleep(MOMENT);
                }
                Err(error) => return Err(error),
                Ok((source, now)) => return Ok(Self { heard, source, held: now, renewed: now }),
            }
        }
    }

    fn try_start(registry: &Registry, heard: &Heard) -> Result<(Source, Duration), ControlError> {
        let now = monotonic()?;
        let source = match registry.listen(&heard.names(), &heard.place) {
            Ok(claim) => {
                let mut events = Box::new(Events::open(&registry.pins(&heard.place))?);
                while events.read().is_some() {}
                events.listen(now + LEASE)?;
                let others = Others::at(registry.relay(&heard.place));
                Source::Ring { events, claim, others, seen: 0 }
            }
            Err(busy @ RegistryError::Heard { .. }) => {
                let Ok(stream) = ask(&registry.relay(&heard.place), heard) else {
                    return Err(busy.into());
                };
                Source::Relay { stream, partial: Vec::new(), ended: false }
            }
            Err(error) => return Err(error.into()),
        };
        Ok((source, now))
    }

    /// The next event of any pool at the device, if it has come. Whoever never comes to the end of them asks for more
    /// by this alone.
    pub(super) fn read(&mut self) -> Result<Option<Event>, ControlError> {
        Ok(match &mut self.source {
            Source::Ring { events, others, seen, .. } => {
                let now = monotonic()?;
                if now >= self.held + RENEW {
                    self.held = now;
                    events.listen(now + LEASE)?;
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
                    others.pass_on(event);
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

    /// Asks for no more.
    pub(super) fn leave(&mut self) -> Result<(), ControlError> {
        match &mut self.source {
            Source::Ring { events, .. } => Ok(events.listen(Duration::ZERO)?),
            Source::Relay { .. } => Ok(()),
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

/// Asks whoever reads the ring for the events of these pools: their indexes, each in four bytes.
fn ask(door: &Path, heard: &Heard) -> io::Result<UnixStream> {
    let mut stream = UnixStream::connect(door)?;
    let wanted: Vec<u8> = heard.indexes().flat_map(u32::to_ne_bytes).collect();
    stream.write_all(&wanted)?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}

fn monotonic() -> Result<Duration, ControlError> {
    clock(ClockId::CLOCK_MONOTONIC).map_err(ControlError::Start)
}
