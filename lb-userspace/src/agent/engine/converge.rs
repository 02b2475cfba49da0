//! From what is desired to what is served.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::{Engine, Slot};
use crate::agent::desired::{Declared, Problem};
use crate::agent::view::State;
use crate::control::stop;
use crate::registry::Served;

/// How long looking around may take before something else has its turn.
const STRETCH: Duration = Duration::from_millis(500);

impl Engine {
    /// Looks at the desired state and at the node, and makes what is served what is desired. To do so again changes nothing.
    /// Where much is to be done the rest is left for the next time, so that connections expire meanwhile; false then.
    pub(in crate::agent) fn look_around(&mut self) -> bool {
        let start = Instant::now();
        self.read_if_changed();
        self.watch.follow(self.slots.values().map(|slot| slot.spec.namespace()).collect());
        let from = self.rest.take();
        let ids = self.slots.keys().filter(|id| from.as_ref().is_none_or(|from| *id >= from));
        for id in ids.cloned().collect::<Vec<String>>() {
            if start.elapsed() > STRETCH {
                self.rest = Some(id);
                return false;
            }
            self.settle(&id);
        }
        true
    }

    /// Looks at one pool, and makes it what is desired.
    pub(super) fn settle(&mut self, id: &str) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        let now = Instant::now();
        slot.look(&self.registry, now);
        slot.converge(&self.registry, &self.options, now);
    }

    /// Something has changed on the node: what waits for that is tried at once.
    pub(in crate::agent) fn news(&mut self) {
        let now = Instant::now();
        let waiting = self.slots.values_mut().filter(|slot| slot.state() == State::Pending);
        waiting.for_each(|slot| slot.hurry(now));
        self.look_around();
    }

    /// Reads the desired state whether or not it looks changed, and tries again whatever failed.
    pub(in crate::agent) fn read_again(&mut self) {
        tracing::info!("reading the desired state again");
        self.seen = None;
        let now = Instant::now();
        self.slots.values_mut().for_each(|slot| slot.hurry(now));
        self.look_around();
    }

    fn read_if_changed(&mut self) {
        let before = self.store.fingerprint();
        if before.as_ref().is_ok_and(|before| self.seen.as_ref() == Some(before)) {
            return;
        }
        self.read();
        // That of before the files were read: what was written meanwhile is read again.
        self.seen = before.ok();
    }

    /// Reads the desired state. Pools of files that cannot be read stay as they are.
    pub(super) fn read(&mut self) {
        match self.store.read() {
            Ok(mut desired) => {
                self.unreadable = None;
                self.join(&mut desired);
                tell_news(&self.desired.problems, &desired.problems);
                self.desired = desired;
                self.adopt();
                self.arrange();
            }
            Err(error) => {
                let text = error.to_string();
                if self.unreadable.as_ref() != Some(&text) {
                    tracing::error!("{text}; every pool stays as it is");
                }
                self.unreadable = Some(text);
            }
        }
    }

    /// Takes pools over that an earlier agent has served. Those that are declared no more end, unless a file that cannot
    /// be read may declare them.
    fn adopt(&mut self) {
        let served = match self.registry.all() {
            Ok(served) => served,
            Err(error) => {
                tracing::error!("cannot look for pools that are served already: {error}");
                return;
            }
        };
        let unreadable = !self.desired.unreadable().is_empty();
        for served in served {
            let Served { pool, .. } = &*served;
            let id = pool.id.to_string();
            let known = self.slots.contains_key(&id) || self.desired.pools.contains_key(&id);
            if known || !self.registry.is_owned(&id) || self.registry.controller(&id).is_some() {
                continue;
            }
            let refused = |problem: &Problem| problem.pool.as_ref() == Some(&id);
            if unreadable || self.desired.problems.iter().any(refused) {
                self.slots.insert(id, Slot::new(pool.clone(), None));
                continue;
            }
            match stop(&self.registry, &id) {
                Ok(_) => tracing::info!(pool = id, "is declared no more: it is ended"),
                Err(error) => tracing::error!(pool = id, error = error.chain(), "cannot end"),
            }
        }
    }

    /// Brings the pools of the agent to what is declared; what that means for packets is not done yet.
    pub(super) fn arrange(&mut self) {
        let now = Instant::now();
        let unreadable = self.desired.unreadable();
        let mut gone = BTreeSet::new();
        for (id, slot) in &mut self.slots {
            slot.stale = None;
            let problem = self.desired.problems.iter().find(|problem| concerns(problem, id, slot));
            match (self.desired.pools.get(id), problem) {
                (Some(Declared { pool, file }), _) => {
                    if slot.spec != *pool {
                        slot.spec = pool.clone();
                        slot.hurry(now);
                    }
                    slot.file = Some(file.clone());
                }
                (None, Some(problem)) => {
                    slot.stale = Some(format!("it stays as it was: {}", problem.text));
                }
                (None, None) if slot.file.is_none() && !unreadable.is_empty() => {
                    slot.stale = Some(
                        "it stays as it was: a file that cannot be read may declare it".to_owned(),
                    );
                }
                (None, None) => {
                    gone.insert(id.clone());
                }
            }
        }
        for id in gone {
            let Some(slot) = self.slots.remove(&id) else { continue };
            match slot.end(&self.registry) {
                Ok(()) => tracing::info!(pool = id, "is declared no more: it is ended"),
                Err(error) => tracing::error!(pool = id, error = error.chain(), "cannot end"),
            }
        }
        for (id, Declared { pool, file }) in &self.desired.pools {
            if !self.slots.contains_key(id) {
                self.slots.insert(id.clone(), Slot::new(pool.clone(), Some(file.clone())));
            }
        }
    }
}

/// Whether what is wrong keeps a pool's declaration from being known: its file is unreadable, or its pool is refused.
fn concerns(problem: &Problem, id: &str, slot: &Slot) -> bool {
    match &problem.pool {
        Some(pool) => pool == id,
        None => slot.file.as_ref() == Some(&problem.file),
    }
}

/// Says what is wrong with files once, and that it is over.
fn tell_news(before: &[Problem], now: &[Problem]) {
    for problem in now.iter().filter(|problem| !before.contains(problem)) {
        tracing::error!("{}", problem.text);
    }
    for problem in before.iter().filter(|old| now.iter().all(|new| new.file != old.file)) {
        tracing::info!("{} is in order again", problem.file.display());
    }
}
