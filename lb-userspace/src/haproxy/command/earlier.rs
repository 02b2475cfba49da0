//! Processes that are told to end once their pools are served by somebody else (`-sf`, `-st`).

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Options;
use crate::node::is_haproxy;

/// Tells them, as HAProxy does: those of `-sf` to serve what they have and end, those of `-st` to end at once. What is not there
/// any more, or is no haproxy because the id has come to mean another process, is left alone.
pub(super) fn tell(options: &Options) {
    let finish = options.finish.iter().map(|pid| (*pid, Signal::SIGUSR1));
    let terminate = options.terminate.iter().map(|pid| (*pid, Signal::SIGTERM));
    for (pid, signal) in finish.chain(terminate) {
        // An id of zero or less would mean a group of processes.
        if pid > 0 && is_haproxy(pid) {
            // It may have ended meanwhile.
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }
}
