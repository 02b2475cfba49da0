//! Ctrl-C and SIGTERM: xtask outlives its child, so that whatever the child or xtask has to clean up is cleaned up.

use std::process::{Child, ExitCode, ExitStatus};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use nix::errno::Errno;
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::{Cause, Origin};

/// How long orphans are waited for: longer than a test's sandbox takes, but a daemon must not keep us.
const PATIENCE: Duration = Duration::from_secs(8);
/// How often they are looked at.
const INTERVAL: Duration = Duration::from_millis(20);

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

/// What came since [`hold`], in order; SIGCHLD only ends a wait.
static ARRIVED: OnceLock<Mutex<SignalsInfo<WithOrigin>>> = OnceLock::new();

/// Catches the signals [`wait`] answers, and adopts orphaned descendants. Call once, before any child is started.
///
/// Caught rather than blocked or ignored: both of these would be inherited by children, a handler is not.
pub(crate) fn hold() -> Result<()> {
    let signals = SignalsInfo::new([SIGINT, SIGTERM, SIGHUP, SIGCHLD])
        .context("cannot listen for SIGINT and SIGTERM")?;
    ARRIVED.get_or_init(|| Mutex::new(signals));
    set_child_subreaper(true).context("cannot adopt orphaned processes")
}

/// Waits for `child`, passing on signals meant for xtask alone.
///
/// # Errors
/// [`Interrupted`] once the child and its descendants have ended, if a signal to stop came meanwhile or before.
pub(crate) fn wait(child: &mut Child) -> Result<ExitStatus> {
    let arrived = ARRIVED.get().context("signals are not held")?;
    let mut arrived = arrived.lock().map_err(|_| anyhow!("a wait for a child panicked"))?;
    let mut interrupted = None;
    // What came before this child was there has not reached it, wherever it came from.
    for origin in arrived.pending() {
        stop(child, &origin, &mut interrupted, true);
    }
    let status = loop {
        if let Some(status) = child.try_wait().context("cannot wait for a child")? {
            break status;
        }
        for origin in arrived.wait() {
            // The kernel makes a signal when the terminal does, on Ctrl-C, and for the whole foreground group.
            stop(child, &origin, &mut interrupted, origin.cause != Cause::Kernel);
        }
    };
    // On Ctrl-C the child's end may be seen before the signal that was its cause.
    for origin in arrived.pending() {
        stop(child, &origin, &mut interrupted, false);
    }
    let Some(interrupted) = interrupted else { return Ok(status) };
    outlive_orphans();
    Err(interrupted.into())
}

/// Cargo does not wait for the tests it started: what they clean up is cleaned up when they have ended.
fn outlive_orphans() {
    let deadline = Instant::now() + PATIENCE;
    while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        if status == WaitStatus::StillAlive {
            if Instant::now() >= deadline {
                break;
            }
            thread::sleep(INTERVAL);
        }
    }
}

fn stop(child: &Child, origin: &Origin, interrupted: &mut Option<Interrupted>, alone: bool) {
    let Ok(signal) = Signal::try_from(origin.signal) else { return };
    if signal == Signal::SIGCHLD {
        return;
    }
    interrupted.get_or_insert(Interrupted(signal));
    if alone {
        forward(child, signal);
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
