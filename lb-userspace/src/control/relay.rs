//! A controller that reads a pool's events: for itself, and for everybody who connects.

use std::os::fd::{AsFd as _, OwnedFd};

use lb_common::state::Event;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, sleep_until};

use super::ControlError;
use super::heard::Heard;
use super::listen::{Listener, RENEW, Source};
use crate::registry::{Registry, Served};

/// Most events of one go, so that others get their turn.
const GO: usize = 1024;

/// The events of one pool. Whoever connects to the socket of its maps below /run/qlb, and names pools there, gets a copy of
/// each of their events from then on, byte by byte as the ring has it; one that does not read is dropped. Where somebody
/// else reads the ring and passes its events on, they come from there.
pub struct Relay {
    registry: Registry,
    listener: Listener,
    ready: AsyncFd<OwnedFd>,
}

impl Relay {
    /// Takes over the ring of a pool with what nobody has heard, and lets others in. To be called in a runtime.
    ///
    /// # Errors
    /// When somebody else has the ring and passes nothing on.
    pub fn start(registry: &Registry, served: Served) -> Result<Self, ControlError> {
        let heard = Heard::one(served);
        let listener = Listener::start_unheard(registry, heard)?;
        let fd = listener.as_fd().try_clone_to_owned().map_err(ControlError::Start)?;
        #[expect(
            deprecated,
            reason = "an OwnedFd is open for as long as it lives, which is all that it asks for"
        )]
        let ready = AsyncFd::with_interest(fd, Interest::READABLE).map_err(ControlError::Start)?;
        Ok(Self { registry: registry.clone(), listener, ready })
    }

    /// Whether somebody else reads the ring and passes its events on.
    pub const fn is_second_hand(&self) -> bool {
        matches!(self.listener.source, Source::Relay { .. })
    }

    /// The pool as it was served when it was last looked at; none once it has ended.
    pub fn served(&self) -> Option<&Served> {
        self.listener.heard.pools.first()
    }

    /// Looks at the record anew, which names members that have just come.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn refresh(&mut self) -> Result<(), ControlError> {
        self.listener.heard.refresh(&self.registry).map(drop)
    }

    /// The events since the last call, after a second at most; none if the pool has ended.
    ///
    /// # Errors
    /// When the record or a map cannot be read, or whoever passed the events on has ended.
    pub async fn next(&mut self) -> Result<Option<Vec<Event>>, ControlError> {
        let deadline = Instant::now() + RENEW;
        loop {
            let events = self.read()?;
            if !events.is_empty() {
                return Ok(Some(events));
            }
            if self.listener.is_cut_off() {
                return Err(ControlError::CutOff);
            }
            // Last, so that a pool that has ended is heard to its end.
            if !self.listener.renew(&self.registry)? {
                return Ok(None);
            }
            if Instant::now() >= deadline {
                return Ok(Some(events));
            }
            // Whoever connects has to be let in before the next event is read, not at once.
            tokio::select! {
                ready = self.ready.readable() => ready.map_err(ControlError::Start)?.clear_ready(),
                () = sleep_until(deadline) => {}
            }
        }
    }

    /// What there is at this moment.
    ///
    /// # Errors
    /// When a map cannot be written.
    pub fn rest(&mut self) -> Result<Vec<Event>, ControlError> {
        self.read()
    }

    fn read(&mut self) -> Result<Vec<Event>, ControlError> {
        let (mut events, mut seen) = (Vec::new(), 0);
        while seen < GO
            && let Some(event) = self.listener.read()?
        {
            seen += 1;
            if self.listener.heard.of(&event).is_some() {
                events.push(event);
            }
        }
        Ok(events)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // It would be forgotten by itself, after the lease.
        let _ = self.listener.leave();
    }
}
