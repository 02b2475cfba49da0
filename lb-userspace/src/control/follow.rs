//! Following the events of pools that are served.

use std::io;
use std::os::fd::AsFd as _;
use std::time::Duration;

use lb_common::state::Event;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::SignalFd;
use nix::time::{ClockId, clock_gettime};

use super::ControlError;
use crate::datapath::Events;
use crate::registry::{Lock, Registry, Served};

/// How often the datapath is told that somebody still listens, and the records are looked at, in milliseconds.
const RENEW: u16 = 1_000;
/// How long it believes that.
const LEASE: Duration = Duration::from_secs(5);

/// A pool that this process listens to.
struct Listener {
    served: Served,
    events: Events,
    claim: Lock,
    renewed: Duration,
}

/// Calls `tell` for every event of the pools, until SIGINT, SIGTERM or SIGHUP, or until none of them is served any
/// more. Events from before are not told.
///
/// # Errors
/// When somebody else listens to one of the pools, or `tell` fails.
pub fn follow(
    registry: &Registry,
    pools: Vec<Served>,
    mut tell: impl FnMut(&Served, &Event) -> io::Result<()>,
) -> Result<(), ControlError> {
    let ends: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
    ends.thread_block().map_err(failed)?;
    let ends = SignalFd::new(&ends).map_err(failed)?;
    let start = |served| Listener::start(registry, served);
    let mut listeners: Vec<Listener> = pools.into_iter().map(start).collect::<Result<_, _>>()?;
    tracing::info!(pools = listeners.len(), "listening");
    while !listeners.is_empty() && !wait(&ends, &listeners)? {
        let mut going = Vec::new();
        for mut listener in listeners {
            // First, so that a pool that has ended is heard to its end.
            let goes_on = listener.renew(registry)?;
            while let Some(event) = listener.events.read() {
                tell(&listener.served, &event).map_err(ControlError::Tell)?;
            }
            if goes_on {
                going.push(listener);
            } else {
                tracing::info!(pool = %listener.served.pool.id, "is not served any more");
            }
        }
        listeners = going;
    }
    listeners.iter_mut().try_for_each(|listener| Ok(listener.events.listen(Duration::ZERO)?))
}

/// Waits for an event, a signal, or the time to renew; true if it was a signal.
fn wait(ends: &SignalFd, listeners: &[Listener]) -> Result<bool, ControlError> {
    let readable = |fd| PollFd::new(fd, PollFlags::POLLIN);
    let rings = listeners.iter().map(|listener| readable(listener.events.as_fd()));
    let mut all: Vec<PollFd<'_>> = [readable(ends.as_fd())].into_iter().chain(rings).collect();
    match poll(&mut all, PollTimeout::from(RENEW)) {
        Ok(_) | Err(Errno::EINTR) => Ok(all[0].any() == Some(true)),
        Err(errno) => Err(failed(errno)),
    }
}

impl Listener {
    fn start(registry: &Registry, served: Served) -> Result<Self, ControlError> {
        let id = served.pool.id.as_str();
        let claim = registry.listen(id)?;
        let mut events = Events::open(&registry.pins(id))?;
        while events.read().is_some() {}
        let renewed = monotonic()?;
        events.listen(renewed + LEASE)?;
        Ok(Self { served, events, claim, renewed })
    }

    /// Asks for more when it is time to; false if the pool has ended.
    fn renew(&mut self, registry: &Registry) -> Result<bool, ControlError> {
        let now = monotonic()?;
        if now < self.renewed + Duration::from_millis(RENEW.into()) {
            return Ok(true);
        }
        self.renewed = now;
        self.events.listen(now + LEASE)?;
        let id = self.served.pool.id.as_str();
        if !registry.is_listener(id, &self.claim) {
            return Ok(false);
        }
        // Members come and go; their names are in the record.
        match registry.get(id)? {
            Some(served) => self.served = served,
            None => return Ok(false),
        }
        Ok(true)
    }
}

fn monotonic() -> Result<Duration, ControlError> {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).map_err(failed)
}

fn failed(errno: Errno) -> ControlError {
    ControlError::Start(errno.into())
}
