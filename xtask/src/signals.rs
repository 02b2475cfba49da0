//! Ctrl-C and SIGTERM: xtask outlives its child, so that whatever the child or xtask has to clean up is cleaned up.

use std::process::{Child, ExitCode, ExitStatus};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::SignalFd;
use nix::unistd::Pid;

/// `si_code` of a signal the kernel made, here: the terminal on Ctrl-C, which reaches the whole foreground group.
const SI_KERNEL: i32 = 0x80;

/// The user or the system asked xtask to stop while a child was running; the child has ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Interrupted(Signal);

impl Interrupted {
    /// What a shell reports for a command ended by this signal: 128 + its number (130 for Ctrl-C).
    pub(crate) fn exit_code(&self) -> ExitCode {
        u8::try_from(128 + self.0 as i32).map_or(ExitCode::FAILURE, ExitCode::from)
    }
}

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "stopped by {}", self.0)
    }
}

impl std::error::Error for Interrupted {}

fn held() -> SigSet {
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGCHLD].into_iter().collect()
}

/// Blocks the signals [`wait`] answers. Call once, before any thread is started.
///
/// Blocked rather than ignored: `Command` gives children an empty mask, whereas an ignored signal would stay ignored.
pub(crate) fn hold() -> Result<()> {
    held().thread_block().context("cannot block SIGINT and SIGTERM")
}

/// Waits for `child`, passing on signals meant for xtask alone.
///
/// # Errors
/// [`Interrupted`] once the child has ended, if a signal to stop came meanwhile.
pub(crate) fn wait(child: &mut Child) -> Result<ExitStatus> {
    let signals = SignalFd::new(&held()).context("cannot listen for signals")?;
    let mut interrupted = None;
    let status = loop {
        if let Some(status) = child.try_wait().context("cannot wait for a child")? {
            break status;
        }
        let info = match signals.read_signal() {
            Ok(Some(info)) => info,
            Ok(None) | Err(Errno::EINTR) => continue,
            Err(error) => return Err(error).context("cannot read signals"),
        };
        let signal = i32::try_from(info.ssi_signo).ok().and_then(|n| Signal::try_from(n).ok());
        let Some(signal) = signal.filter(|signal| *signal != Signal::SIGCHLD) else { continue };
        interrupted.get_or_insert(Interrupted(signal));
        if info.ssi_code != SI_KERNEL {
            forward(child, signal);
        }
    };
    match interrupted {
        Some(interrupted) => Err(interrupted.into()),
        None => Ok(status),
    }
}

/// A child that is gone, or that runs as root through sudo, cannot be signalled; there is nothing to do about either.
fn forward(child: &Child, signal: Signal) {
    if let Ok(pid) = i32::try_from(child.id())
        && let Err(error) = kill(Pid::from_raw(pid), signal)
        && error != Errno::ESRCH
    {
        eprintln!("xtask: cannot pass {signal} on to process {pid}: {error}");
    }
}
