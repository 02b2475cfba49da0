//! The process outside: makes the namespaces, starts PID 1, passes signals on.

use std::ffi::OsString;
use std::process::Command;

use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, alarm, geteuid, getppid};

use super::{INIT, mounts};
use crate::Error;
use crate::error::Context;

/// Seconds the payload has to end by itself after SIGINT or SIGTERM.
const GRACE: u32 = 5;

pub(super) fn run(argv: &[OsString]) -> Result<u8, Error> {
    if !geteuid().is_root() {
        return Err(Error::NeedsRoot("namespaces and mounts of its own".into()));
    }
    // Blocked from here on, so that no signal falls between two processes: init inherits the mask
    // and only the payload clears it.
    let signals = blocked();
    signals.thread_block().context(|| "blocking signals".into())?;
    die_with_parent()?;

    // Decided before the mounts change, by paths only: this process keeps its working directory.
    let keep = mounts::hidden_paths(argv)?;
    let namespaces = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWUTS;
    unshare(namespaces).map_err(|errno| {
        Error::NeedsRoot(format!("unsharing mount, PID, network and UTS namespaces: {errno}"))
    })?;

    let exe = std::env::current_exe().context(|| "finding the own executable".into())?;
    let mut command = Command::new(exe);
    command.arg(INIT).arg(std::process::id().to_string()).arg(keep.len().to_string());
    command.args(&keep).args(argv);
    let child = command.spawn().context(|| "starting the sandbox's init".into())?;
    supervise(Pid::from_raw(child.id().cast_signed()), &signals)
}

fn supervise(init: Pid, signals: &SigSet) -> Result<u8, Error> {
    let mut stopped_by: Option<Signal> = None;
    loop {
        let signal = signals.wait().context(|| "waiting for a signal".into())?;
        if signal == Signal::SIGCHLD {
            if let Some(code) = exit_code(init)? {
                return Ok(stopped_by.map_or(code, |signal| 128 + signal as u8));
            }
        } else if signal == Signal::SIGALRM {
            kill_quietly(init, Signal::SIGKILL);
        } else {
            if stopped_by.replace(signal).is_none() {
                alarm::set(GRACE);
            }
            kill_quietly(init, signal);
        }
    }
}

/// The exit code of init, which is the payload's, once it has ended.
fn exit_code(init: Pid) -> Result<Option<u8>, Error> {
    let status = waitpid(init, Some(WaitPidFlag::WNOHANG))
        .context(|| format!("waiting for the sandbox's init {init}"))?;
    Ok(code_of(status))
}

/// Exit code in the shell's way; `None` while the process lives.
pub(super) fn code_of(status: WaitStatus) -> Option<u8> {
    match status {
        WaitStatus::Exited(_, code) => Some((code & 0xff) as u8),
        WaitStatus::Signaled(_, signal, _) => Some(128 + signal as u8),
        WaitStatus::Stopped(..)
        | WaitStatus::PtraceEvent(..)
        | WaitStatus::PtraceSyscall(_)
        | WaitStatus::Continued(_)
        | WaitStatus::StillAlive => None,
    }
}

/// The signals supervisor and init take in their own time.
pub(super) fn blocked() -> SigSet {
    [
        Signal::SIGCHLD,
        Signal::SIGALRM,
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGHUP,
        Signal::SIGQUIT,
    ]
    .into_iter()
    .collect()
}

/// A process that has just ended needs no signal any more.
pub(super) fn kill_quietly(pid: Pid, signal: Signal) {
    let _ = kill(pid, signal);
}

/// SIGTERM rather than SIGKILL: the payload gets its grace period also when the parent dies.
fn die_with_parent() -> Result<(), Error> {
    let parent = getppid();
    prctl::set_pdeathsig(Signal::SIGTERM).context(|| "asking to die with the parent".into())?;
    // The parent may have died before the request took effect.
    if getppid() != parent {
        kill_quietly(Pid::this(), Signal::SIGTERM);
    }
    Ok(())
}
