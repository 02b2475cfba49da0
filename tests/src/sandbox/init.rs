//! PID 1 inside: prepares the world, starts the payload, reaps, ends with it.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, setsid};

use super::supervisor::{blocked, code_of, kill_quietly};
use super::{ENV, EXEC, PID_ENV, mounts};
use crate::error::Context;
use crate::{Error, net};

/// Arguments: the supervisor's PID, the number of directories to keep, those, the payload.
pub(super) fn run(args: &[OsString]) -> Result<u8, Error> {
    let (supervisor, keep, payload) = parse(args).ok_or_else(|| Error::Unexpected {
        what: "arguments of the sandbox's init".into(),
        found: format!("{args:?}"),
    })?;
    let outer_pid = die_with(supervisor)?;
    let signals = blocked();
    signals.thread_block().context(|| "blocking signals".into())?;
    // A session of its own: Ctrl-C reaches the supervisor only, and the payload exactly once.
    setsid().context(|| "starting a session".into())?;
    mounts::prepare(keep)?;
    fs::write("/proc/sys/kernel/hostname", "qlb-sandbox").context(|| "setting hostname".into())?;
    net::set_up("lo")?;

    let exe = std::env::current_exe().context(|| "finding the own executable".into())?;
    let child = Command::new(exe)
        .arg(EXEC)
        .args(payload)
        .env(ENV, "1")
        .env(PID_ENV, outer_pid)
        .env_remove("TMPDIR")
        .spawn()
        .context(|| "starting the payload".into())?;
    attend(Pid::from_raw(child.id().cast_signed()), &signals)
}

/// Becomes the payload, with signals unblocked again.
pub(super) fn exec(argv: &[OsString]) -> Result<u8, Error> {
    let unexpected = || Error::Unexpected { what: "command".into(), found: String::new() };
    let (program, args) = argv.split_first().ok_or_else(unexpected)?;
    SigSet::empty().thread_set_mask().context(|| "unblocking signals".into())?;
    let failed: Result<Infallible, _> = Err(Command::new(program).args(args).exec());
    failed.context(|| format!("running {}", program.display())).map(|never| match never {})
}

fn parse(args: &[OsString]) -> Option<(Pid, &[OsString], &[OsString])> {
    let [supervisor, count, rest @ ..] = args else { return None };
    let number = |text: &OsStr| text.to_str()?.parse::<i32>().ok();
    let (keep, payload) = rest.split_at_checked(usize::try_from(number(count)?).ok()?)?;
    Some((Pid::from_raw(number(supervisor)?), keep, payload))
}

/// SIGKILL from an ancestor namespace is the one signal PID 1 cannot refuse. Answers with the own process id as the
/// supervisor sees it.
fn die_with(supervisor: Pid) -> Result<String, Error> {
    prctl::set_pdeathsig(Signal::SIGKILL).context(|| "asking to die with the supervisor".into())?;
    // getppid() is 0 here, but /proc is still the outer one and names the parent as it sees it:
    // another parent means that the supervisor died before the request took effect.
    let stat = fs::read_to_string("/proc/self/stat").context(|| "/proc/self/stat".into())?;
    let parent = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1));
    let own = stat.split(' ').next().unwrap_or_default();
    if parent == Some(&supervisor.to_string()) {
        Ok(own.to_owned())
    } else {
        Err(Error::Unexpected { what: "parent of the sandbox's init".into(), found: stat })
    }
}

fn attend(payload: Pid, signals: &SigSet) -> Result<u8, Error> {
    loop {
        let signal = signals.wait().context(|| "waiting for a signal".into())?;
        if signal != Signal::SIGCHLD {
            kill_quietly(payload, signal);
        } else if let Some(code) = reap(payload)? {
            return Ok(code);
        }
    }
}

/// Reaps everything that has ended, orphans included; the payload's exit code if it is among them.
fn reap(payload: Pid) -> Result<Option<u8>, Error> {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return Ok(None),
            Ok(status) if status.pid() == Some(payload) => return Ok(code_of(status)),
            Ok(_) => {}
            Err(errno) => return Err(errno).context(|| "reaping".into()),
        }
    }
}
