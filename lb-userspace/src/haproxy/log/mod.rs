//! Log lines: one for each connection that ends, and for what becomes of proxies and servers.

mod counts;
mod follow;
mod line;
mod notice;
mod sink;
mod time;

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jiff::tz::TimeZone;
use lb_common::state::{Event, Happening};
use serde_json::Value;
use tokio::sync::oneshot;

use super::desk::Desk;
use crate::config::model::{Level, LogTarget};
use crate::control::{ControlError, Relay};
use crate::node::Place;
use crate::registry::{MemberRecord, RegistryError, Served};
use crate::report::Clocks;
use counts::settle;
use follow::{Follower, Outcome};
use notice::{Herald, Notice};
use sink::{Message, Sink};

/// How often it is looked what has become of members, and connections are counted anew: there may be thousands of
/// both.
const LOOK: Duration = Duration::from_secs(1);
/// How long a full syslog server is left to read, and how often for the events of one go.
const MOMENT: Duration = Duration::from_millis(1);
const PATIENCE: u32 = 500;
/// How long to wait for a ring that somebody else reads: a moment at first, who has it may be about to open the door.
const AGAIN: Duration = Duration::from_secs(1);
const TRIES: u32 = 20;
const SOON: Duration = Duration::from_millis(5);

/// The log of a pool.
pub(super) struct Log {
    desk: Arc<Desk>,
    pool: String,
    sinks: Vec<Sink>,
    zone: TimeZone,
    herald: Herald,
    follower: Follower,
    /// When connections were counted anew.
    counted: Option<Instant>,
    /// Not sent yet.
    written: Vec<Message>,
}

impl Log {
    /// Opens the targets of a pool. One that cannot be opened is left out, and said.
    pub(super) fn open(desk: Arc<Desk>, served: &Served, targets: &[LogTarget]) -> Self {
        let place = Place::named(&served.record.namespace);
        let pool = served.pool.id.to_string();
        let open = |target: &LogTarget| match Sink::open(target, &place) {
            Ok(sink) => Some(sink),
            Err(error) => {
                tracing::warn!(pool, %error, "cannot log to {target}");
                None
            }
        };
        let sinks = targets.iter().filter_map(open).collect();
        let zone = TimeZone::system();
        let (herald, follower, counted, written) = Default::default();
        Self { desk, pool, sinks, zone, herald, follower, counted, written }
    }

    /// Writes the log of what `relay` tells until `end` comes, and what there is then. Without one it is looked for
    /// until there is.
    pub(super) async fn keep(mut self, relay: Option<Relay>, end: oneshot::Receiver<()>) {
        if let Some(pool) = self.snapshot() {
            self.say(notice::started(&pool));
        }
        self.flush().await;
        if let Err(error) = self.follow(relay, end).await {
            tracing::warn!(pool = self.pool, error = error.chain(), "cannot log connections");
        }
        if let Some(pool) = self.snapshot() {
            self.say(notice::stopped(&pool));
        }
        self.flush().await;
    }

    async fn follow(
        &mut self,
        mut begun: Option<Relay>,
        mut end: oneshot::Receiver<()>,
    ) -> Result<(), ControlError> {
        self.desk.begin_tally(&self.pool);
        loop {
            let relay = match begun.take() {
                None => tokio::select! {
                    relay = self.relay() => relay?,
                    _ = &mut end => None,
                },
                begun => begun,
            };
            let Some(mut relay) = relay else { return Ok(()) };
            match self.hear(&mut relay, &mut end).await {
                // Whoever has the ring next passes it on, or it is free.
                Err(ControlError::CutOff) => {}
                heard => return heard,
            }
        }
    }

    async fn hear(
        &mut self,
        relay: &mut Relay,
        end: &mut oneshot::Receiver<()>,
    ) -> Result<(), ControlError> {
        let (mut ending, mut looked) = (false, None);
        while !ending {
            let events = tokio::select! {
                events = relay.next() => events?,
                _ = &mut *end => {
                    ending = true;
                    Some(relay.rest()?)
                }
            };
            let Some(mut events) = events else { return Ok(()) };
            know(relay, &events)?;
            let known = events.len();
            self.count(relay, &mut events)?;
            know(relay, &events[known..])?;
            let Some(served) = relay.served() else { return Ok(()) };
            if !events.is_empty() {
                self.events(served, &events)?;
            }
            if looked.is_none_or(|looked: Instant| looked.elapsed() >= LOOK) {
                looked = Some(Instant::now());
                let pool = self.desk.snapshot(served)?;
                let notices = self.herald.look(&pool);
                self.say(notices);
            }
            self.flush().await;
        }
        Ok(())
    }

    /// Gets the pool's ring, when nobody else has it any more. None if the pool has ended meanwhile.
    async fn relay(&self) -> Result<Option<Relay>, ControlError> {
        let (mut tries, mut failed) = (0, 0);
        loop {
            let Some(served) = self.desk.registry.get(&self.pool)? else { return Ok(None) };
            match Relay::start(&self.desk.registry, served) {
                Ok(relay) => return Ok(Some(relay)),
                Err(error @ ControlError::Registry(RegistryError::Heard { .. })) => {
                    if tries == TRIES {
                        tracing::warn!(
                            pool = self.pool,
                            "no connection is logged until it ends: {}",
                            error.chain()
                        );
                    }
                    tokio::time::sleep(if tries < TRIES { SOON } else { AGAIN }).await;
                    tries += 1;
                }
                // The pins of a pool that ends are removed before its record.
                Err(_) if failed < TRIES => {
                    tokio::time::sleep(SOON).await;
                    failed += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Counts connections anew, if it is time to; in between the events themselves tell.
    fn count(&mut self, relay: &mut Relay, events: &mut Vec<Event>) -> Result<(), ControlError> {
        if self.counted.is_some_and(|counted| counted.elapsed() < LOOK) {
            return Ok(());
        }
        self.counted = Some(Instant::now());
        let Some(served) = relay.served() else { return Ok(()) };
        let counter = self.desk.counter(served)?;
        // What somebody else passes on comes later than it is counted.
        let late = relay.is_second_hand() && !events.is_empty();
        let (active, quiet) = settle(events, counter, || relay.rest())?;
        let exact = quiet && !late;
        // What was exact stays so without a quiet moment.
        if exact || !self.follower.counts.is_exact() {
            self.follower.counts.begin(events, active, exact);
        }
        Ok(())
    }

    fn events(&mut self, served: &Served, events: &[Event]) -> Result<(), ControlError> {
        let clocks = Clocks::now().map_err(ControlError::Start)?;
        let wants_fields = self.sinks.iter().any(Sink::wants_fields);
        for event in events {
            let (ended, outcome) = self.follower.follow(served, event, clocks);
            self.tally(served, outcome);
            let counts = &self.follower.counts;
            if counts.is_exact() {
                self.desk.raise(&self.pool, None, counts.pool());
                // One that was removed has no row.
                if let Some(member) = member(served, event.member).filter(|it| !it.removed) {
                    self.desk.raise(&self.pool, Some(&member.id), counts.member(event.member));
                }
            }
            if let Some(ended) = ended {
                let text = ended.text(&self.zone);
                let fields = wants_fields.then(|| serde_json::to_value(&ended).ok()).flatten();
                self.write(Level::INFO, text, fields);
            }
        }
        Ok(())
    }

    fn tally(&self, served: &Served, outcome: Outcome) {
        let count = |index, how: fn(&mut super::stats::Tally)| {
            if let Some(name) = name(served, index) {
                self.desk.count(&self.pool, name, how);
            }
        };
        match outcome {
            Outcome::Nothing => {}
            Outcome::Failed(member) => count(member, |tally| tally.failed += 1),
            Outcome::Redispatched(member) => count(member, |tally| tally.redispatched += 1),
            Outcome::ClientAbort(member) => count(member, |tally| tally.client_aborts += 1),
            Outcome::ServerSilent(member) => count(member, |tally| tally.server_aborts += 1),
            Outcome::ServerError(member) => count(member, |tally| {
                tally.server_aborts += 1;
                tally.response_errors += 1;
            }),
        }
    }

    fn snapshot(&self) -> Option<super::stats::Snapshot> {
        let served = self.desk.registry.get(&self.pool).ok()??;
        self.desk.snapshot(&served).ok()
    }

    fn say(&mut self, notices: Vec<Notice>) {
        notices.into_iter().for_each(|Notice { level, text }| self.write(level, text, None));
    }

    fn write(&mut self, level: Level, text: String, fields: Option<Value>) {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let message = Message { level, at, pool: self.pool.clone(), text, fields };
        self.written.push(message);
    }

    /// Sends what was written. A syslog server has room for few lines at a time (`net.unix.max_dgram_qlen`), so it gets
    /// a moment to read them; what it has not read then is lost.
    async fn flush(&mut self) {
        let mut patience = PATIENCE;
        for message in std::mem::take(&mut self.written) {
            for sink in &self.sinks {
                let sent = loop {
                    match sink.send(&message, &self.zone) {
                        Err(error) if error.kind() == ErrorKind::WouldBlock && patience > 0 => {
                            patience -= 1;
                            tokio::time::sleep(MOMENT).await;
                        }
                        sent => break sent,
                    }
                };
                if let Err(error) = sent
                    && self.desk.drop_log()
                {
                    tracing::warn!(pool = self.pool, %error, "lines to {} are lost", sink.name());
                }
            }
        }
    }
}

/// Reads the record again if there are members in these events that it does not know.
fn know(relay: &mut Relay, events: &[Event]) -> Result<(), ControlError> {
    let members = relay.served().map(|served| served.record.members.as_slice());
    let members = members.unwrap_or_default();
    // What was refused has no member.
    let is_known = |event: &Event| {
        event.happening() == Some(Happening::Refuse)
            || members.iter().any(|it| it.index == event.member)
    };
    if events.iter().all(is_known) { Ok(()) } else { relay.refresh() }
}

fn name(served: &Served, index: u32) -> Option<&str> {
    member(served, index).map(|member| member.id.as_str())
}

fn member(served: &Served, index: u32) -> Option<&MemberRecord> {
    served.record.members.iter().find(|member| member.index == index)
}
