//! Whose time was spent.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use aya::programs::loaded_programs;

use super::error::Error;
use super::peer::Peer;

/// What had been spent at a moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spent {
    at: Instant,
    /// Of the peer's programs and processes.
    own: Duration,
    /// By all CPUs on nothing.
    idle: Duration,
    /// By whoever the machine is shared with.
    stolen: Duration,
}

/// What was spent in between.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Usage {
    /// Of the peer's programs and processes.
    pub(super) own: Duration,
    /// Of all CPUs together.
    pub(super) machine: Duration,
    /// Share of the machine that others took, of 1.
    pub(super) stolen: f64,
}

impl Spent {
    /// Up to now. Programs have a time only as long as the kernel is asked to measure it.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub(super) fn by(peer: Option<&Peer>) -> Result<Self, Error> {
        let own = peer.map_or(Ok(Duration::ZERO), |peer| {
            let processes = peer.processes.iter().map(|process| process_time(process.pid()));
            processes.sum::<Result<Duration, Error>>().map(|sum| sum + program_time(&peer.programs))
        })?;
        let (idle, stolen) = machine_time()?;
        Ok(Self { at: Instant::now(), own, idle, stolen })
    }

    /// What was spent since `self`.
    pub(super) fn until(self, later: Self) -> Usage {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from) as u32;
        let all = (later.at - self.at) * cpus;
        let stolen = later.stolen.saturating_sub(self.stolen);
        Usage {
            own: later.own.saturating_sub(self.own),
            machine: all.saturating_sub(later.idle.saturating_sub(self.idle)),
            stolen: stolen.as_secs_f64() / all.as_secs_f64(),
        }
    }
}

fn program_time(programs: &BTreeSet<u32>) -> Duration {
    let all = loaded_programs().filter_map(Result::ok);
    all.filter(|program| programs.contains(&program.id())).map(|program| program.run_time()).sum()
}

/// Nanoseconds that the threads of a process, and of the processes it has started, were on a CPU: first number of
/// schedstat (Documentation/scheduler/sched-stats.rst).
fn process_time(pid: u32) -> Result<Duration, Error> {
    let mut nanoseconds = 0;
    for task in read_dir(&format!("/proc/{pid}/task"))? {
        // One that has just ended has nothing to say.
        let stat = fs::read_to_string(task.join("schedstat")).unwrap_or_default();
        let first = stat.split_whitespace().next().and_then(|first| first.parse::<u64>().ok());
        nanoseconds += first.unwrap_or(0);
    }
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children = children.unwrap_or_default();
    let of = |pid: &str| pid.parse().map_or(Ok(Duration::ZERO), process_time);
    let children = children.split_whitespace().map(of).sum::<Result<Duration, Error>>()?;
    Ok(Duration::from_nanos(nanoseconds) + children)
}

fn read_dir(path: &str) -> Result<Vec<std::path::PathBuf>, Error> {
    let busy = |source| Error::Busy { file: path.to_owned(), source };
    let entries = fs::read_dir(path).map_err(busy)?;
    entries.map(|entry| Ok(entry.map_err(busy)?.path())).collect()
}

/// Idle and stolen time of all CPUs: fields 4, 5 and 8 of the first line of /proc/stat (proc(5)).
fn machine_time() -> Result<(Duration, Duration), Error> {
    const FILE: &str = "/proc/stat";
    let text =
        fs::read_to_string(FILE).map_err(|source| Error::Busy { file: FILE.to_owned(), source })?;
    Ok(times(text.lines().next().unwrap_or_default()))
}

fn times(line: &str) -> (Duration, Duration) {
    // A tick is 10 ms to user space, whatever it is to the kernel (USER_HZ).
    let ticks: Vec<u64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let of = |index: usize| Duration::from_millis(10 * ticks.get(index).copied().unwrap_or(0));
    (of(3) + of(4), of(7))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_and_stolen_time_are_found() {
        let (idle, stolen) = times("cpu  10 20 30 400 50 60 70 8 0 0");
        assert_eq!((idle, stolen), (Duration::from_millis(4500), Duration::from_millis(80)));
    }
}
