//! A member that is probed: its monitors together, and what is counted of it.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::task::AbortHandle;

use super::health::Health;
use super::probe::Probe;
use super::result::Outcome;
use super::snapshot::{MemberHealth, Turn};

/// One monitor of one member.
pub(super) struct Watch {
    pub(super) probe: Probe,
    pub(super) health: Health,
    pub(super) last: Option<Outcome>,
    /// Ends the task that probes.
    pub(super) task: AbortHandle,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// All monitors of one member.
pub(super) struct Member {
    pub(super) endpoint: SocketAddr,
    pub(super) watches: Vec<Watch>,
    checks_failed: u64,
    down_transitions: u64,
    last_change: u64,
}

/// What the end of a probe means for a member.
pub(super) struct Change {
    pub(super) turn: Option<Turn>,
    /// Whether more than times has changed, so that it should be shown soon.
    pub(super) visible: bool,
}

impl Member {
    /// A member about which `known` has been recorded.
    pub(super) fn new(endpoint: SocketAddr, known: Option<&MemberHealth>) -> Self {
        Self {
            endpoint,
            watches: Vec::new(),
            checks_failed: known.map_or(0, |known| known.checks_failed),
            down_transitions: known.map_or(0, |known| known.down_transitions),
            last_change: known.map_or_else(now, |known| known.last_change),
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.watches.iter().all(|watch| watch.health.is_up())
    }

    /// Takes in the end of a probe of monitor number `index`.
    pub(super) fn record(&mut self, id: &str, index: usize, outcome: Outcome) -> Option<Change> {
        let (was_up, state_before) = (self.is_up(), self.state());
        let watch = self.watches.get_mut(index)?;
        let same = |last: &Outcome| {
            (last.status, last.code, &last.info) == (outcome.status, outcome.code, &outcome.info)
        };
        let is_new = !watch.last.as_ref().is_some_and(same);
        // What went wrong on this side says nothing about the member.
        if let Some(passed) = outcome.status.passed() {
            let moved = watch.health.record(passed);
            self.checks_failed += u64::from(moved.failure);
        }
        watch.last = Some(outcome.clone());
        let up = self.is_up();
        if up != was_up {
            self.last_change = now();
            self.down_transitions += u64::from(!up);
        }
        let turn = (up != was_up).then(|| Turn { member: id.to_owned(), up, outcome });
        Some(Change { turn, visible: is_new || self.state() != state_before })
    }

    fn state(&self) -> String {
        let least = Health::least(self.watches.iter().map(|watch| watch.health));
        least.map(Health::text).unwrap_or_default()
    }

    /// All that is known.
    pub(super) fn snapshot(&self) -> MemberHealth {
        let least = Health::least(self.watches.iter().map(|watch| watch.health));
        let shown = self.watches.iter().find(|watch| Some(watch.health) == least);
        MemberHealth {
            endpoint: self.endpoint,
            up: self.is_up(),
            state: self.state(),
            monitor: shown.map(|watch| watch.probe.type_name().to_owned()).unwrap_or_default(),
            last: shown.and_then(|watch| watch.last.clone()),
            checks_failed: self.checks_failed,
            down_transitions: self.down_transitions,
            last_change: self.last_change,
            levels: self.watches.iter().map(|watch| watch.health.level()).collect(),
        }
    }
}

/// Milliseconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis() as u64
}
