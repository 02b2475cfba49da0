//! A private world for one command: mount, network, PID and UTS namespaces that die with it.
//!
//! Three processes: the *supervisor* (the caller) makes the namespaces and passes signals on,
//! *init* is PID 1 inside and reaps, the *payload* is the command. The supervisor dies with its
//! parent and init with the supervisor (`PR_SET_PDEATHSIG`); when PID 1 ends, the kernel kills
//! everything in its PID namespace, and the last process takes network devices, named namespaces,
//! mounts and BPF pins with it (pid_namespaces(7), network_namespaces(7)).

mod init;
mod mounts;
mod supervisor;

use std::ffi::OsString;
use std::process::ExitCode;

use crate::Error;

/// Set to `1` for everything that runs inside.
pub const ENV: &str = "QLB_SANDBOX";

/// Set beside it: PID 1 of the sandbox as the world outside numbers it.
const PID_ENV: &str = "QLB_SANDBOX_PID";

/// First argument of the process that becomes PID 1.
const INIT: &str = "--init";
/// First argument of the process that becomes the payload.
const EXEC: &str = "--exec";

/// The roles one executable plays by its first argument. Call this first in `main` of every
/// program that uses [`run`]: it returns `None` for an ordinary start.
pub fn dispatch() -> Option<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    let role = args.next()?;
    let rest: Vec<OsString> = args.collect();
    let result = match role.to_str()? {
        INIT => init::run(&rest),
        EXEC => init::exec(&rest),
        _ => return None,
    };
    Some(report(result))
}

/// Runs `argv` in a new sandbox and returns its exit code: 128 + signal number if it died of a
/// signal or the supervisor was told to stop.
///
/// The caller must be single-threaded, because its main thread changes namespaces, and must have
/// called [`dispatch`]. It is of no use for anything else afterwards.
///
/// # Errors
/// [`Error::NeedsRoot`] without root, [`Error::Io`] when the kernel refuses a namespace.
pub fn run(argv: &[OsString]) -> Result<u8, Error> {
    supervisor::run(argv)
}

/// [`run`], for a `main`: an error is written to stderr and becomes exit code 125, as with
/// `env(1)` and `timeout(1)` when they themselves fail.
pub fn run_to_exit(argv: &[OsString]) -> ExitCode {
    report(run(argv))
}

/// Whether this process runs inside a sandbox.
#[must_use]
pub fn inside() -> bool {
    std::env::var_os(ENV).is_some_and(|value| value == "1")
}

/// The process to give to nsenter(1) outside to see what is inside; `None` outside.
#[must_use]
pub fn init_pid() -> Option<u32> {
    std::env::var(PID_ENV).ok()?.parse().ok()
}

/// Guards everything that would change the machine.
///
/// # Errors
/// [`Error::NotSandboxed`] outside.
pub fn require() -> Result<(), Error> {
    if inside() { Ok(()) } else { Err(Error::NotSandboxed) }
}

fn report(result: Result<u8, Error>) -> ExitCode {
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("qlb-sandbox: {error}");
            ExitCode::from(125)
        }
    }
}
