//! All of it beside the pools of a controller: stats sockets, logs and high-water marks.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::desk::Desk;
use super::log::Log;
use super::socket::{Answering, Behind, Prepared};
use crate::config::PoolSpec;
use crate::config::model::{LogTarget, StatsSocket};
use crate::control::{Company, ControlError, Relay};
use crate::registry::Registry;

/// How often it is looked how many connections there are.
const LOOK: Duration = Duration::from_secs(1);
/// How long a log may take to write what is left.
const PATIENCE: Duration = Duration::from_secs(2);

/// What becomes of a stats socket that cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sockets {
    /// It is an error that is logged; the pools are served all the same.
    Wanted,
    /// Nothing is served.
    Needed,
    /// As needed, and one that another process answers at is taken over.
    TakenOver,
}

/// Company for pools that look like those of HAProxy.
#[derive(Debug)]
pub struct Attendance {
    desk: Arc<Desk>,
    sockets: Sockets,
    prepared: HashMap<PathBuf, Prepared>,
    attended: Vec<PoolSpec>,
    answering: HashMap<PathBuf, Counter>,
    /// Sockets that cannot be had, with what was said of them.
    missing: HashMap<PathBuf, String>,
    logs: HashMap<String, Kept>,
    looking: Option<(Behind, JoinHandle<()>)>,
}

/// A socket that is answered.
#[derive(Debug)]
struct Counter {
    socket: StatsSocket,
    pools: Behind,
    _answering: Answering,
}

/// A log that is kept.
#[derive(Debug)]
struct Kept {
    targets: Vec<LogTarget>,
    end: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Attendance {
    /// For pools whose records are in `registry`.
    pub fn new(registry: &Registry, sockets: Sockets) -> Self {
        Self {
            desk: Arc::new(Desk::new(registry)),
            sockets,
            prepared: HashMap::new(),
            attended: Vec::new(),
            answering: HashMap::new(),
            missing: HashMap::new(),
            logs: HashMap::new(),
            looking: None,
        }
    }

    /// Attends to these pools from now on, and to no others. To be called in a runtime. A socket that cannot be had is
    /// looked for again with the next call.
    pub fn follow(&mut self, pools: &[PoolSpec]) {
        let mut sockets: BTreeMap<PathBuf, (&StatsSocket, Vec<String>)> = BTreeMap::new();
        for pool in pools {
            if let Some(socket) = &pool.stats_socket {
                let entry = sockets.entry(socket.path().to_owned());
                entry.or_insert_with(|| (socket, Vec::new())).1.push(pool.id.to_string());
            }
        }
        self.answering.retain(|path, counter| {
            let is_same = |(socket, _): &(&StatsSocket, _)| **socket == counter.socket;
            sockets.get(path).is_some_and(is_same) && !is_lost(path)
        });
        self.missing.retain(|path, _| sockets.contains_key(path));
        for (path, (socket, ids)) in sockets {
            match self.answering.get(&path) {
                Some(counter) => counter.pools.set(ids),
                None => self.answer(path, socket, ids),
            }
        }
        let mut ending = HashSet::new();
        self.logs.retain(|id, kept| {
            let wanted = pools.iter().find(|pool| pool.id.as_str() == id);
            let stays =
                wanted.is_some_and(|pool| pool.logs == kept.targets) && !kept.task.is_finished();
            if !stays {
                ending.insert(id.clone());
            }
            stays
        });
        for pool in pools.iter().filter(|pool| !pool.logs.is_empty()) {
            let id = pool.id.as_str();
            if !self.logs.contains_key(id)
                && let Err(error) = self.begin_log(id, &pool.logs, !ending.contains(id))
            {
                tracing::warn!(pool = id, error = error.chain(), "cannot log");
            }
        }
        self.look(pools.iter().map(|pool| pool.id.to_string()).collect());
    }

    /// Ends all of it, when what is left has been logged.
    pub async fn leave(&mut self) {
        if let Some((_, task)) = self.looking.take() {
            task.abort();
        }
        self.answering.clear();
        for (_, Kept { end, task, .. }) in self.logs.drain() {
            let _ = end.send(());
            let _ = timeout(PATIENCE, task).await;
        }
        // Sockets go with their tasks, which the runtime drops when it comes to them.
        tokio::task::yield_now().await;
    }

    fn answer(&mut self, path: PathBuf, socket: &StatsSocket, ids: Vec<String>) {
        let replace = self.sockets == Sockets::TakenOver;
        let prepared =
            self.prepared.remove(&path).map_or_else(|| Prepared::bind(socket, replace), Ok);
        match prepared {
            Ok(prepared) => {
                tracing::info!("statistics are answered at {}", path.display());
                self.missing.remove(&path);
                let pools = Behind::new(ids);
                let answering = prepared.answer(Arc::clone(&self.desk), pools.clone());
                let counter = Counter { socket: socket.clone(), pools, _answering: answering };
                self.answering.insert(path, counter);
            }
            Err(error) => {
                let text = ControlError::from(error).chain();
                if self.missing.get(&path) != Some(&text) {
                    tracing::error!("statistics are not answered: {text}");
                    self.missing.insert(path, text);
                }
            }
        }
    }

    /// Without `at_once` one that ends gets to its end first, which has lines of its own.
    fn begin_log(
        &mut self,
        id: &str,
        targets: &[LogTarget],
        at_once: bool,
    ) -> Result<(), ControlError> {
        let Some(served) = self.desk.registry.get(id)? else { return Ok(()) };
        let log = Log::open(Arc::clone(&self.desk), &served, targets);
        // Before anybody is told that the pool is served. What keeps it from that may be over later.
        let begin = || Relay::start(&self.desk.registry, served).ok();
        let relay = at_once.then(begin).flatten();
        let (end, ended) = oneshot::channel();
        let task = tokio::spawn(log.keep(relay, ended));
        let kept = Kept { targets: targets.to_vec(), end, task };
        self.logs.insert(id.to_owned(), kept);
        Ok(())
    }

    /// Keeps the high-water marks of these pools, if there is somebody to tell.
    fn look(&mut self, ids: Vec<String>) {
        match &self.looking {
            _ if self.answering.is_empty() => {
                if let Some((_, task)) = self.looking.take() {
                    task.abort();
                }
            }
            Some((pools, _)) => pools.set(ids),
            None => {
                let pools = Behind::new(ids);
                let task = tokio::spawn(look(Arc::clone(&self.desk), pools.clone()));
                self.looking = Some((pools, task));
            }
        }
    }
}

impl Company for Attendance {
    fn prepare(&mut self, pools: &[PoolSpec]) -> Result<(), ControlError> {
        self.attended = pools.to_vec();
        if self.sockets == Sockets::Wanted {
            return Ok(());
        }
        let replace = self.sockets == Sockets::TakenOver;
        for socket in pools.iter().filter_map(|pool| pool.stats_socket.as_ref()) {
            if !self.prepared.contains_key(socket.path()) {
                let prepared = Prepared::bind(socket, replace)?;
                self.prepared.insert(socket.path().to_owned(), prepared);
            }
        }
        Ok(())
    }

    fn begin(&mut self) {
        let pools = std::mem::take(&mut self.attended);
        self.follow(&pools);
    }

    async fn end(&mut self) {
        self.leave().await;
    }
}

/// Whether somebody has removed a socket's file, so that nobody finds it, and not the directory as well.
fn is_lost(path: &Path) -> bool {
    path.parent().is_some_and(Path::exists) && !path.exists()
}

/// Keeps the high-water marks up to date, whether somebody asks or not.
async fn look(desk: Arc<Desk>, pools: Behind) {
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = desk.look(&pools.get()) {
            tracing::debug!(error = error.chain(), "cannot look at connections");
        }
    }
}
