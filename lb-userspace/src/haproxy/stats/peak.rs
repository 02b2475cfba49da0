//! High-water marks, which the datapath does not keep: the most that somebody who looks has seen.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::snapshot::{Load, Snapshot};

/// What a rate is counted over.
const SECOND: Duration = Duration::from_secs(1);

/// The marks of pools and members, by their ids. They begin with the process, as HAProxy's do.
#[derive(Debug, Default)]
pub struct Peaks(HashMap<(String, Option<String>), Mark>);

#[derive(Debug, Default)]
struct Mark {
    peak: u64,
    rate: u64,
    rate_peak: u64,
    /// When the second began, and the total then; none before the first look.
    since: Option<(Instant, u64)>,
}

impl Peaks {
    /// Brings the marks up to date with a pool that was just looked at, and the pool with the marks.
    pub fn note(&mut self, pool: &mut Snapshot, now: Instant) {
        let id = pool.backend.clone();
        self.mark(&mut pool.load, (id.clone(), None), now);
        for member in pool.members.iter_mut().filter(|member| !member.removed) {
            self.mark(&mut member.load, (id.clone(), Some(member.id.clone())), now);
        }
    }

    /// Takes note of how many connections there are, of a pool or of one of its members.
    pub fn raise(&mut self, pool: &str, member: Option<&str>, active: u64) {
        let id = (pool.to_owned(), member.map(str::to_owned));
        let mark = self.0.entry(id).or_default();
        mark.peak = mark.peak.max(active);
    }

    fn mark(&mut self, load: &mut Load, id: (String, Option<String>), now: Instant) {
        let mark = self.0.entry(id).or_default();
        mark.peak = mark.peak.max(load.active);
        let (since, before) = *mark.since.get_or_insert((now, load.total));
        let elapsed = now.saturating_duration_since(since);
        if elapsed >= SECOND {
            let opened = u128::from(load.total.saturating_sub(before));
            mark.rate = (opened * 1000 / elapsed.as_millis().max(1)) as u64;
            mark.since = Some((now, load.total));
        }
        mark.rate_peak = mark.rate_peak.max(mark.rate);
        (load.peak, load.rate, load.rate_peak) = (mark.peak, mark.rate, mark.rate_peak);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_the_most_that_was_seen() {
        let start = Instant::now();
        let mut peaks = Peaks::default();
        let mut look = |active, total, after| {
            let load = Load { active, total, ..Load::default() };
            let mut pool = Snapshot { backend: "p".into(), load, ..Snapshot::default() };
            peaks.note(&mut pool, start + Duration::from_millis(after));
            let Load { peak, rate, rate_peak, .. } = pool.load;
            (peak, rate, rate_peak)
        };
        assert_eq!(look(3, 10, 0), (3, 0, 0));
        assert_eq!(look(7, 15, 500), (7, 0, 0));
        assert_eq!(look(2, 30, 2000), (7, 10, 10));
        assert_eq!(look(0, 31, 3000), (7, 1, 10));
    }

    #[test]
    fn what_was_there_before_the_first_look_counts() {
        let mut peaks = Peaks::default();
        peaks.raise("p", None, 4);
        let mut pool = Snapshot { backend: "p".into(), ..Snapshot::default() };
        peaks.note(&mut pool, Instant::now());
        assert_eq!((pool.load.peak, pool.load.rate_peak), (4, 0));
    }
}
