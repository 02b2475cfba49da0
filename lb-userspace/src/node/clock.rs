//! The kernel's clocks.

use std::io;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Time by one of the kernel's clocks (clock_gettime(2)); the datapath's is `CLOCK_MONOTONIC`.
///
/// # Errors
/// When there is no such clock.
pub fn clock(which: ClockId) -> io::Result<Duration> {
    Ok(clock_gettime(which).map(Duration::from)?)
}
