//! Pools that are declared by processes: each of them is desired for as long as its process lives.
//!
//! Such a process stands in for a HAProxy, which whoever deploys it can only start and kill. What it declared is noted in a file
//! of the registry, so that an agent that begins finds it. Of two that declare a pool it belongs to the one that came last:
//! that the other ends means nothing then.

mod record;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::AgentError;
use crate::config::PoolSpec;
use crate::node::start_of;
use crate::registry::Registry;

/// A process that stands for pools.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StandIn {
    /// Its process id.
    pub pid: i32,
    /// When it started, in ticks since the boot: field 22 of /proc/PID/stat.
    pub started: u64,
    /// The confs that it was started with.
    #[serde(default)]
    pub confs: Vec<String>,
    /// Processes whose pools it takes over, those that it declares no more included.
    #[serde(default)]
    pub replaces: Vec<i32>,
    /// The pools, with the fields of the YAML.
    #[schema(value_type = Vec<crate::config::PoolSchema>)]
    pub pools: Vec<Value>,
}

/// A process, and what is its own of what it declared.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Declarer {
    pub(super) pid: i32,
    pub(super) started: u64,
    pub(super) confs: Vec<String>,
    /// Those who come later have greater numbers.
    pub(super) turn: u64,
    pub(super) pools: Vec<PoolSpec>,
}

impl Declarer {
    fn lives(&self) -> bool {
        start_of(self.pid) == Some(self.started)
    }

    pub(super) fn has(&self, id: &str) -> bool {
        self.pools.iter().any(|pool| pool.id.as_str() == id)
    }
}

/// Every process that stands for pools, in the order in which they came.
#[derive(Clone, Debug)]
pub(super) struct StandIns {
    registry: Registry,
    all: Vec<Declarer>,
}

impl StandIns {
    /// Those that are noted. A note that cannot be read is left where it is, and said.
    pub(super) fn read(registry: &Registry) -> Self {
        let mut all = Vec::new();
        match registry.stand_ins() {
            Ok(notes) => {
                for (path, text) in notes {
                    match record::parse(&text) {
                        Ok(declarer) => all.push(declarer),
                        Err(reason) => tracing::error!(
                            "{} is no note of this version: {reason}; its pools end; start its haproxy again",
                            path.display()
                        ),
                    }
                }
            }
            Err(error) => tracing::error!("cannot look for stand-ins: {error}"),
        }
        all.sort_by_key(|declarer| declarer.turn);
        Self { registry: registry.clone(), all }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn list(&self) -> &[Declarer] {
        &self.all
    }

    /// The pools, each with the file of the process that declares it; what came last is last.
    pub(super) fn pools(&self) -> impl Iterator<Item = (&PoolSpec, PathBuf)> {
        self.all.iter().flat_map(|declarer| {
            let file = self.registry.stand_in(declarer.pid);
            declarer.pools.iter().map(move |pool| (pool, file.clone()))
        })
    }

    /// The process that a pool belongs to.
    pub(super) fn of(&self, id: &str) -> Option<&Declarer> {
        self.all.iter().find(|declarer| declarer.has(id))
    }

    /// Forgets processes that have ended; answers with their ids.
    pub(super) fn forget_ended(&mut self) -> Vec<i32> {
        let ended: Vec<i32> =
            self.all.iter().filter(|it| !it.lives()).map(|declarer| declarer.pid).collect();
        if !ended.is_empty() {
            let mut next = self.clone();
            next.all.retain(|declarer| !ended.contains(&declarer.pid));
            if let Err(error) = self.become_of(next) {
                tracing::warn!("cannot forget all that has ended: {error}");
            }
        }
        ended
    }

    /// What becomes of all of them when another one comes with these pools. Nothing is noted yet.
    ///
    /// # Errors
    /// When that process does not run.
    pub(super) fn with(&self, new: &StandIn, pools: Vec<PoolSpec>) -> Result<Self, AgentError> {
        let turn = self.all.last().map_or(1, |last| last.turn + 1);
        let (pid, started, confs) = (new.pid, new.started, new.confs.clone());
        let declarer = Declarer { pid, started, confs, turn, pools };
        if !declarer.lives() {
            return Err(AgentError::Document(format!(
                "process {pid} does not run, or is not the one that started at {started}; name one that runs"
            )));
        }
        let mut next = self.clone();
        next.all.retain(|old| old.pid != pid && !new.replaces.contains(&old.pid));
        for old in &mut next.all {
            old.pools.retain(|pool| !declarer.has(pool.id.as_str()));
        }
        next.all.retain(|old| !old.pools.is_empty());
        next.all.push(declarer);
        Ok(next)
    }

    /// Becomes what `next` is, and notes it: what is new first, so that no pool is without a note meanwhile.
    ///
    /// # Errors
    /// When it cannot be noted; then it is as before.
    pub(super) fn become_of(&mut self, next: Self) -> Result<(), AgentError> {
        for declarer in next.all.iter().rev().filter(|it| !self.all.contains(it)) {
            if let Err(error) = self.registry.put_stand_in(declarer.pid, &record::text(declarer)) {
                if self.all.iter().all(|old| old.pid != declarer.pid) {
                    // It would be a note of something that never was.
                    let _ = self.registry.remove_stand_in(declarer.pid);
                }
                return Err(error.into());
            }
        }
        let before = std::mem::replace(&mut self.all, next.all);
        for old in before.iter().filter(|old| self.all.iter().all(|it| it.pid != old.pid)) {
            if let Err(error) = self.registry.remove_stand_in(old.pid) {
                // Whoever finds it later sees that the process has ended, or that somebody came after it.
                tracing::warn!("cannot remove a note: {error}");
            }
        }
        Ok(())
    }
}
