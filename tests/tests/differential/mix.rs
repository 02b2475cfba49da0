//! What happened in all stories together.

use std::fmt;

use lb_tests::datapath::Snapshot;

/// Every counter, added up.
#[derive(Default)]
pub(crate) struct Mix(Vec<(&'static str, u64)>);

impl Mix {
    pub(crate) fn add(&mut self, snapshot: &Snapshot) {
        self.0.resize(snapshot.counters.len(), ("", 0));
        for (sum, (name, count)) in self.0.iter_mut().zip(&snapshot.counters) {
            *sum = (name, sum.1 + count);
        }
    }

    /// What never happened. A story that never gets to a verdict says nothing about it.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        // The kernel refuses no edit of a whole frame, the test keeps up with the events, and no next hop of a story is of long ago.
        const NEVER: [&str; 3] = ["drop_rewrite", "event_lost", "outer_pass_confirm"];
        let never = |name: &str| NEVER.contains(&name);
        let missing = self.0.iter().filter(|(name, count)| *count == 0 && !never(name));
        missing.map(|(name, _)| *name).collect()
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(name, count)| writeln!(f, "{count:>9} {name}"))
    }
}
