//! Following the events of pools that are served.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};

use lb_common::state::Event;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::SignalFd;

use super::ControlError;
use super::heard::Heard;
use super::listen::{Listener, RENEW};
use crate::registry::{Registry, Served};

/// Calls `tell` for every event of the pools, until SIGINT, SIGTERM or SIGHUP, or until none of them is served any
/// more. Events from before are not told.
///
/// # Errors
/// When somebody else listens to one of the pools and passes nothing on, or `tell` fails.
pub fn follow(
    registry: &Registry,
    pools: Vec<Served>,
    tell: impl FnMut(&Served, &Event) -> io::Result<()>,
) -> Result<(), ControlError> {
    let ends: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
    ends.thread_block().map_err(failed)?;
    let ends = SignalFd::new(&ends).map_err(failed)?;
    follow_until(registry, pools, ends.as_fd(), tell)
}

/// As [`follow`], until `ends` is readable or its other end is gone.
///
/// # Errors
/// As for [`follow`].
pub fn follow_until(
    registry: &Registry,
    pools: Vec<Served>,
    ends: BorrowedFd<'_>,
    mut tell: impl FnMut(&Served, &Event) -> io::Result<()>,
) -> Result<(), ControlError> {
    let count = pools.len();
    let start = |heard| Listener::start(registry, heard);
    let listeners: Vec<Option<Listener>> =
        Heard::by_maps(pools).into_iter().map(start).collect::<Result<_, _>>()?;
    let mut listeners: Vec<Listener> = listeners.into_iter().flatten().collect();
    tracing::info!(pools = count, "listening");
    while !listeners.is_empty() && !wait(ends, &listeners)? {
        let mut going = Vec::new();
        for mut listener in listeners {
            // Before the records are looked at, so that a pool that has ended is heard to its end.
            while let Some(event) = listener.read()? {
                if let Some(served) = listener.heard.of(&event) {
                    tell(served, &event).map_err(ControlError::Tell)?;
                }
            }
            if listener.is_cut_off() {
                // Whoever has the ring next passes it on, or it is free.
                let mut heard = listener.heard;
                if heard.refresh(registry)? {
                    going.extend(Listener::start(registry, heard)?);
                }
            } else if listener.renew(registry)? {
                going.push(listener);
            }
        }
        listeners = going;
    }
    listeners.iter_mut().try_for_each(Listener::leave)
}

/// Waits for an event, the end, or the time to renew; true if it was the end.
fn wait(ends: BorrowedFd<'_>, listeners: &[Listener]) -> Result<bool, ControlError> {
    let readable = |fd| PollFd::new(fd, PollFlags::POLLIN);
    let rings = listeners.iter().map(|listener| readable(listener.as_fd()));
    let mut all: Vec<PollFd<'_>> = [readable(ends)].into_iter().chain(rings).collect();
    match poll(&mut all, PollTimeout::try_from(RENEW).unwrap_or(PollTimeout::MAX)) {
        Ok(_) | Err(Errno::EINTR) => Ok(all[0].any() == Some(true)),
        Err(errno) => Err(failed(errno)),
    }
}

fn failed(errno: Errno) -> ControlError {
    ControlError::Start(errno.into())
}
