//! The process in the background: what whoever deploys HAProxy sees of it, and kills.
//!
//! It does nothing, as the agent does the work. It is this program once more, with HAProxy's name and arguments, so that a look at
//! the process finds the conf and the pool's id.

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitCode, Stdio};

use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{dup2_stdout, setsid};

use crate::node::{enter_root_mounts, start_of};

/// Set for the process in the background.
const MARK: &str = "QLB_STAND_IN";

/// How long it may take to begin, in milliseconds.
const PATIENCE: u16 = 10_000;

/// Signals that end HAProxy. The others of [`HELD`] it survives.
const ENDS: [Signal; 3] = [Signal::SIGUSR1, Signal::SIGTERM, Signal::SIGINT];
const HELD: [Signal; 9] = [
    Signal::SIGUSR1,
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGUSR2,
    Signal::SIGTTOU,
    Signal::SIGTTIN,
    Signal::SIGPIPE,
];

/// Whether this process is one in the background.
#[must_use]
pub fn stands_in() -> bool {
    std::env::var_os(MARK).is_some()
}

/// What such a process does: it waits for the word that its pools are served, then for a signal that ends it. Without the word
/// it ends at once.
#[must_use]
pub fn stand() -> ExitCode {
    let held: SigSet = HELD.into_iter().collect();
    if held.thread_block().is_err() {
        return ExitCode::FAILURE;
    }
    // Neither can fail for a process that was just started; where it may not leave mounts, it stays in those it has.
    let _ = setsid();
    let _ = prctl::set_name(c"haproxy");
    let _ = enter_root_mounts();
    let _ = std::env::set_current_dir("/");
    // Whoever started it may say now who it is: it has its name, and no signal surprises it.
    if io::stdout().write_all(&[0]).and_then(|()| io::stdout().flush()).is_err() {
        return ExitCode::FAILURE;
    }
    let _ = dup2_stdout(io::stderr());
    if io::stdin().read_exact(&mut [0]).is_err() {
        return ExitCode::FAILURE;
    }
    loop {
        match held.wait() {
            Ok(signal) if ENDS.contains(&signal) => return ExitCode::SUCCESS,
            Ok(_) => {}
            Err(_) => return ExitCode::FAILURE,
        }
    }
}

/// A process in the background that is just begun. Dropping it ends it, unless it was [released](Standing::release).
#[derive(Debug)]
pub(super) struct Standing {
    child: Child,
}

impl Standing {
    /// Starts it with HAProxy's arguments.
    ///
    /// # Errors
    /// When that is not possible.
    pub(super) fn start(arguments: &[OsString]) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg0("haproxy").args(arguments).env(MARK, "1");
        let child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        Ok(Self { child })
    }

    /// Its process id.
    pub(super) fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// When it started.
    pub(super) fn started(&self) -> Option<u64> {
        start_of(self.pid())
    }

    /// Waits until it can be taken for HAProxy.
    ///
    /// # Errors
    /// When it has ended, or does not get so far.
    pub(super) fn wait(&mut self) -> io::Result<()> {
        let Some(mut word) = self.child.stdout.take() else { return Ok(()) };
        let mut ready = [PollFd::new(word.as_fd(), PollFlags::POLLIN)];
        if poll(&mut ready, PATIENCE)? == 0 {
            return Err(io::ErrorKind::TimedOut.into());
        }
        word.read_exact(&mut [0])
    }

    /// Lets it go on for itself.
    ///
    /// # Errors
    /// When it has ended.
    pub(super) fn release(&mut self) -> io::Result<()> {
        self.child.stdin.take().map_or(Ok(()), |mut word| word.write_all(&[0]))
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        if self.child.stdin.is_some() {
            // One that has ended already is as it should be.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
