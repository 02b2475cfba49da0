//! Pools of processes that stand in for HAProxy: they come with the process and end with it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{Ending, Engine};
use crate::agent::AgentError;
use crate::agent::desired::Desired;
use crate::agent::stand_in::{StandIn, StandIns};
use crate::agent::view::{PoolView, StandInView, State};
use crate::config::PoolSpec;

/// How long an agent without a pool waits for one, if it is to end then.
const IDLE: Duration = Duration::from_secs(5);

impl Engine {
    /// Serves the pools of a process for as long as it lives, instead of whoever declared them before it. Answers when they
    /// are served.
    ///
    /// # Errors
    /// When one of them is not; then everything is as before.
    pub(in crate::agent) fn stand_in(
        &mut self,
        new: &StandIn,
        pools: Vec<PoolSpec>,
    ) -> Result<Vec<PoolView>, AgentError> {
        // What has ended is not taken over: whoever deployed it may have removed more than the process.
        self.look_at_processes(Instant::now());
        self.read();
        for pool in &pools {
            if let Some(file) = self.file_of(pool.id.as_str()) {
                return Err(AgentError::Declared { pool: pool.id.to_string(), file });
            }
        }
        let next = self.stand_ins.with(new, pools.clone())?;
        let leave: Vec<String> = self
            .stand_ins
            .pools()
            .map(|(pool, _)| pool.id.to_string())
            .filter(|id| next.of(id).is_none())
            .collect();
        self.check(&pools, &leave)?;
        let before = self.stand_ins.clone();
        let ids: Vec<String> = pools.iter().map(|pool| pool.id.to_string()).collect();
        self.follow(next, &ids)?;
        let views: Vec<PoolView> =
            ids.iter().filter_map(|id| self.declared(id)).map(|it| it.1).collect();
        let refused = |view: &PoolView| {
            let reason = view.reason.as_deref().unwrap_or("it is declared no more");
            (view.state != State::Served).then(|| format!("pool {}: {reason}", view.id))
        };
        let refused: Vec<String> = views.iter().filter_map(refused).collect();
        if refused.is_empty() {
            tracing::info!("pools {} are those of process {}", ids.join(", "), new.pid);
            return Ok(views);
        }
        let again: Vec<String> = before.pools().map(|(pool, _)| pool.id.to_string()).collect();
        self.follow(before, &again)?;
        Err(AgentError::NotBegun { pid: new.pid, reasons: refused })
    }

    fn follow(&mut self, next: StandIns, ids: &[String]) -> Result<(), AgentError> {
        self.stand_ins.become_of(next)?;
        self.read_or_join();
        let now = Instant::now();
        for id in ids {
            if let Some(slot) = self.slots.get_mut(id) {
                slot.hurry(now);
            }
            self.settle(id);
        }
        Ok(())
    }

    /// Ends the pools of processes that have ended, and everything if the agent is to end when it has nothing to do.
    pub(super) fn look_at_processes(&mut self, now: Instant) {
        let ended = self.stand_ins.forget_ended();
        if !ended.is_empty() {
            tracing::info!("processes {ended:?} have ended, and what they stood for with them");
            self.read_or_join();
        }
        if !self.slots.is_empty() || !self.stand_ins.is_empty() {
            self.idle_since = now;
        } else if self.exit_when_idle && now.duration_since(self.idle_since) > IDLE {
            self.end(Ending::Idle);
        }
    }

    /// Adds what processes declare to what files declare. Files come first: what both declare is that of the file.
    pub(super) fn join(&self, desired: &mut Desired) {
        for (pool, file) in self.stand_ins.pools() {
            desired.admit(pool.clone(), &file);
        }
    }

    /// Looks at everything that is declared. Where the files cannot be read, what they said stays.
    fn read_or_join(&mut self) {
        self.read();
        if self.unreadable.is_some() {
            let dir = self.store.dir().to_owned();
            let mut desired = std::mem::take(&mut self.desired);
            desired.pools.retain(|_, declared| declared.file.starts_with(&dir));
            desired.problems.retain(|problem| problem.file.starts_with(&dir));
            self.join(&mut desired);
            self.desired = desired;
            self.arrange();
        }
    }

    /// Makes sure that a pool is not that of a process, which alone may change it.
    pub(super) fn check_own(&self, id: &str) -> Result<(), AgentError> {
        match self.stand_ins.of(id) {
            Some(declarer) if self.file_of(id).is_none() => Err(AgentError::StoodFor {
                pool: id.to_owned(),
                pid: declarer.pid,
                confs: declarer.confs.join(", "),
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// The file of the desired state that declares a pool.
    fn file_of(&self, id: &str) -> Option<PathBuf> {
        let file = &self.desired.pools.get(id)?.file;
        file.starts_with(self.store.dir()).then(|| file.clone())
    }

    /// The processes that stand for pools.
    pub(in crate::agent) fn stand_ins(&self) -> Vec<StandInView> {
        let view = |declarer: &crate::agent::stand_in::Declarer| StandInView {
            pid: declarer.pid,
            started: declarer.started,
            confs: declarer.confs.clone(),
            pools: declarer.pools.iter().map(|pool| pool.id.to_string()).collect(),
        };
        self.stand_ins.list().iter().map(view).collect()
    }
}
