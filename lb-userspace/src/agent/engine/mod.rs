//! The agent's work: a thread of its own that owns the pools, reads the desired state, and makes what is served the same.
//!
//! Everything that changes a pool happens here, one thing after the other, so nothing can be changed from two sides.

mod change;
mod converge;
mod slot;
mod stand_in;
mod tick;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Instant;

use tokio::sync::{oneshot, watch};

pub(in crate::agent) use change::Outcome;
use slot::Slot;
use tick::Ticks;

use super::AgentError;
use super::company::{Wanting, is_wanting};
use super::desired::{Desired, Fingerprint, Store};
use super::stand_in::StandIns;
use super::view::{Health, PoolList, State};
use super::watch::Watch;
use crate::config::PoolSpec;
use crate::control::{Care, ControlError, ServeOptions};
use crate::monitor::News;
use crate::registry::Registry;
use crate::report::API_VERSION;

/// Something to do for whoever holds a [`Handle`].
type Job = Box<dyn FnOnce(&mut Engine) + Send>;

/// How the agent ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::agent) enum Ending {
    /// What is served goes on without it.
    Leave,
    /// What is served ends.
    Detach,
    /// There is nothing to serve, and nothing to wait for.
    Idle,
}

/// The pools of the agent.
pub(in crate::agent) struct Engine {
    registry: Registry,
    store: Store,
    options: ServeOptions,
    slots: BTreeMap<String, Slot>,
    desired: Desired,
    /// What the directory looked like when it was read; none if it could not be.
    seen: Option<Fingerprint>,
    /// Why the directory cannot be read now.
    unreadable: Option<String>,
    /// The pool that looking around goes on with; none if it has come to its end.
    rest: Option<String>,
    watch: Watch,
    /// Whoever probes the members.
    care: Care,
    /// The processes that stand for pools.
    stand_ins: StandIns,
    /// Whether it ends when there is nothing to do, and since when there is not.
    exit_when_idle: bool,
    idle_since: Instant,
    /// Who is told which pools want company.
    wanting: watch::Sender<Wanting>,
    ending: Option<Ending>,
}

/// The way to the engine.
#[derive(Clone)]
pub(in crate::agent) struct Handle {
    jobs: Sender<Job>,
}

impl Handle {
    /// Has the engine do something and waits for its answer.
    ///
    /// # Errors
    /// When the engine has ended.
    pub(in crate::agent) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Engine) -> T + Send + 'static,
    ) -> Result<T, AgentError> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |engine| {
            // Whoever asked may have gone; what was asked is done all the same.
            let _ = answer.send(work(engine));
        });
        self.jobs.send(job).map_err(|_| AgentError::Ending)?;
        answered.await.map_err(|_| AgentError::Ending)
    }

    /// Has the engine look at the node and the desired state now. `pending` is true until it does; while it is, nothing
    /// more is asked.
    pub(in crate::agent) fn news(&self, pending: &Arc<AtomicBool>) {
        if pending.swap(true, Ordering::SeqCst) {
            return;
        }
        let pending = Arc::clone(pending);
        // One that has ended has nothing to look at.
        let _ = self.jobs.send(Box::new(move |engine| {
            pending.store(false, Ordering::SeqCst);
            engine.news();
        }));
    }
}

/// A handle, and the end at which the engine hears of it.
#[must_use]
pub(in crate::agent) fn connection() -> (Handle, Receiver<Job>) {
    let (jobs, received) = channel();
    (Handle { jobs }, received)
}

impl Engine {
    /// An engine that has nothing to do yet.
    #[must_use]
    pub(in crate::agent) fn new(
        registry: Registry,
        store: Store,
        options: ServeOptions,
        watch: Watch,
        care: Care,
        wanting: watch::Sender<Wanting>,
    ) -> Self {
        let stand_ins = StandIns::read(&registry);
        Self {
            registry,
            store,
            options,
            slots: BTreeMap::new(),
            desired: Desired::default(),
            seen: None,
            unreadable: None,
            rest: None,
            watch,
            care,
            stand_ins,
            exit_when_idle: false,
            idle_since: Instant::now(),
            wanting,
            ending: None,
        }
    }

    /// The same engine, which ends when it has nothing to do.
    #[must_use]
    pub(in crate::agent) fn ending_when_idle(mut self) -> Self {
        self.exit_when_idle = true;
        self
    }

    /// Serves until it is told to end.
    ///
    /// # Errors
    /// When pools that were to end could not be removed.
    pub(in crate::agent) fn work(mut self, jobs: &Receiver<Job>) -> Result<Ending, ControlError> {
        let mut ticks = Ticks::new(Instant::now());
        while self.ending.is_none() {
            let now = Instant::now();
            match jobs.recv_timeout(ticks.next().saturating_duration_since(now)) {
                Ok(job) => job(&mut self),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            // What was left to somebody else is not begun again.
            if self.ending.is_none() {
                ticks.run(&mut self, Instant::now());
            }
        }
        match self.ending {
            Some(Ending::Detach) => self.detach().map(|()| Ending::Detach),
            Some(ending @ (Ending::Leave | Ending::Idle)) => Ok(ending),
            None => Ok(Ending::Leave),
        }
    }

    /// Ends after this.
    pub(in crate::agent) fn end(&mut self, ending: Ending) {
        self.ending = Some(ending);
        // Whoever takes over may want the pools before this thread is done.
        if ending == Ending::Leave {
            self.slots.values_mut().for_each(Slot::leave);
        }
    }

    /// Says which pools want company, if these are others than before.
    fn tell_wanting(&self) {
        let served = self.slots.values().filter_map(Slot::followed);
        let pools: Vec<PoolSpec> = served.filter(|pool| is_wanting(pool)).cloned().collect();
        self.wanting.send_if_modified(|before| {
            let changed = **before != pools;
            if changed {
                *before = Arc::new(pools);
            }
            changed
        });
    }

    /// Does what the monitors' news of a pool ask for.
    pub(in crate::agent) fn heed(&mut self, news: &News) {
        // What was left to somebody else is theirs.
        if self.ending.is_none() {
            self.care.take_in(&self.registry, news);
        }
    }

    /// The pools of the agent.
    #[must_use]
    pub(in crate::agent) fn pools(&self) -> PoolList {
        let pools = self.slots.values().map(Slot::view).collect();
        PoolList { api_version: API_VERSION.to_owned(), pools }
    }

    /// How the agent is.
    #[must_use]
    pub(in crate::agent) fn health(&self) -> Health {
        let count = |state| self.slots.values().filter(|slot| slot.state() == state).count() as u64;
        let (pending, failed) = (count(State::Pending), count(State::Error));
        let files = self.desired.problems.iter().map(|problem| problem.text.clone());
        let problems: Vec<String> = self.unreadable.iter().cloned().chain(files).collect();
        Health {
            api_version: API_VERSION.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            state_dir: self.store.dir().display().to_string(),
            ok: problems.is_empty() && pending + failed == 0,
            served: count(State::Served),
            pending,
            failed,
            problems,
        }
    }

    fn detach(self) -> Result<(), ControlError> {
        let ends: Vec<_> = self.slots.into_values().map(|slot| slot.end(&self.registry)).collect();
        ends.into_iter().collect()
    }
}
