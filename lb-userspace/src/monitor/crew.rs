//! The thread of the monitors: a task for each monitor of each member, and what they have found.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::runtime::{Builder, Handle};
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, interval, sleep_until};

use super::health::Health;
use super::member::{Member, Watch};
use super::probe::{MonitorError, Nets, Probe, tls_config};
use super::result::Outcome;
use super::snapshot::{MemberHealth, News, PoolHealth, Turn};
use crate::config::PoolSpec;
use crate::config::model::{MemberSpec, MonitorSpec};
use crate::node::Place;

/// Most probes at a time, and with them sockets.
const MOST: u64 = 16_384;
/// How long news that change nothing but times may wait.
const QUIET: Duration = Duration::from_secs(5);

/// Runs the monitors of all pools of this process on one thread. Dropping it ends them.
#[derive(Debug)]
pub struct Monitors {
    shared: Arc<Shared>,
    runtime: Handle,
    end: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

/// What has come of it.
#[derive(Debug)]
pub struct Results {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    news: Notify,
    nets: Nets,
    permits: Semaphore,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct State {
    pools: BTreeMap<String, BTreeMap<String, Member>>,
    /// Pools of which there are news, with who turned.
    ready: BTreeMap<String, Vec<Turn>>,
    /// Pools of which only times are new.
    quiet: BTreeSet<String>,
    probes: u64,
}

impl Monitors {
    /// Starts the thread, with nobody to probe.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start() -> Result<(Self, Results), MonitorError> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            news: Notify::new(),
            nets: Nets::new()?,
            permits: Semaphore::new(room()?),
        });
        let (handle, end) = (runtime.handle().clone(), Arc::new(Notify::new()));
        let (ends, looked_at) = (Arc::clone(&end), Arc::clone(&shared));
        let body = move || {
            runtime.block_on(async {
                tokio::select! {
                    () = ends.notified() => {}
                    () = tell_quietly(&looked_at) => {}
                }
            });
        };
        let thread = std::thread::Builder::new().name("monitors".to_owned()).spawn(body)?;
        let results = Results { shared: Arc::clone(&shared) };
        Ok((Self { shared, runtime: handle, end, thread: Some(thread) }, results))
    }

    /// Probes the members of a pool from `place` from now on, as the pool says; also one that is followed
    /// already and has changed. Members that go on as they were are not disturbed. `known` is what was found
    /// out about a pool that is new here. Returns what is known of it.
    ///
    /// # Errors
    /// When a file that a monitor needs cannot be read; then nothing has changed.
    pub fn follow(
        &self,
        pool: &PoolSpec,
        place: &Place,
        known: &PoolHealth,
    ) -> Result<PoolHealth, MonitorError> {
        let mut wanted: Vec<(&MemberSpec, Vec<Probe>)> = Vec::new();
        if let Some(vip) = &pool.vip {
            let connect = Duration::from_millis(pool.timeouts.connect.into());
            let up: Vec<&MemberSpec> = pool.members.iter().filter(|it| it.admin_state_up).collect();
            // Files are read once for all members, and for nobody not at all.
            let used = if up.is_empty() { &[] } else { pool.monitors.as_slice() };
            let monitors = used.iter().map(|monitor| Ok((monitor, tls_config(monitor)?)));
            let monitors: Vec<_> = monitors.collect::<Result<_, MonitorError>>()?;
            for member in up {
                let to = member.monitored_at();
                let probe = |(monitor, tls): &(&MonitorSpec, _)| {
                    Probe::new(monitor, place, vip.address, to, connect, Option::clone(tls))
                };
                wanted.push((member, monitors.iter().map(probe).collect()));
            }
        }
        let mut state = self.shared.lock();
        let before = state.pools.remove(pool.id.as_str());
        let is_new = before.is_none();
        let mut before = before.unwrap_or_default();
        let mut members = BTreeMap::new();
        for (spec, probes) in wanted.into_iter().filter(|(_, probes)| !probes.is_empty()) {
            let id = spec.id.as_str();
            let endpoint = SocketAddr::new(spec.address, spec.port.get());
            let old = before.remove(id).filter(|old| old.endpoint == endpoint);
            let recorded = known.members.get(id);
            let recorded = recorded.filter(|old| is_new && old.endpoint == endpoint);
            members.insert(id.to_owned(), self.member(pool, spec, probes, old, recorded));
        }
        let health = snapshot(&members);
        state.pools.insert(pool.id.to_string(), members);
        Ok(health)
    }

    /// Probes nobody of the pool any more.
    pub fn forget(&self, pool: &str) {
        let mut state = self.shared.lock();
        state.pools.remove(pool);
        state.ready.remove(pool);
        state.quiet.remove(pool);
    }

    /// Probes that have ended since the start.
    pub fn probes(&self) -> u64 {
        self.shared.lock().probes
    }

    fn member(
        &self,
        pool: &PoolSpec,
        spec: &MemberSpec,
        probes: Vec<Probe>,
        old: Option<Member>,
        recorded: Option<&MemberHealth>,
    ) -> Member {
        let endpoint = SocketAddr::new(spec.address, spec.port.get());
        let was_up = old.as_ref().map(Member::is_up).or(recorded.map(|known| known.up));
        let mut levels = recorded.map(|known| known.levels.clone()).unwrap_or_default();
        let mut member = old.unwrap_or_else(|| Member::new(endpoint, recorded));
        if !member.watches.is_empty() {
            levels = member.watches.iter().map(|watch| watch.health.level()).collect();
        }
        let same_number = levels.len() == probes.len();
        let mut before: Vec<Option<Watch>> =
            std::mem::take(&mut member.watches).into_iter().map(Some).collect();
        for (index, probe) in probes.into_iter().enumerate() {
            let kept = before.get_mut(index).and_then(Option::take);
            if let Some(kept) = kept.filter(|kept| same_number && kept.probe == probe) {
                member.watches.push(kept);
                continue;
            }
            let fresh = Health::new(&probe.monitor);
            let health = match (was_up, levels.get(index)) {
                (Some(_), Some(level)) if same_number => fresh.at(*level),
                (Some(false), _) => fresh.down(),
                (Some(true) | None, _) => fresh,
            };
            let task = self.runtime.spawn(watch(
                Arc::clone(&self.shared),
                probe.clone(),
                (pool.id.to_string(), spec.id.to_string(), index),
            ));
            let task = task.abort_handle();
            member.watches.push(Watch { probe, health, last: None, task });
        }
        member
    }
}

impl Drop for Monitors {
    fn drop(&mut self) {
        self.shared.lock().pools.clear();
        self.end.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Results {
    /// The next news of a pool. Nothing is lost if nobody waits: news of a pool add up.
    pub async fn next(&mut self) -> News {
        loop {
            if let Some(news) = self.shared.take() {
                return news;
            }
            self.shared.news.notified().await;
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<News> {
        let mut state = self.lock();
        let (pool, turned) = state.ready.pop_first()?;
        state.quiet.remove(&pool);
        let health = snapshot(state.pools.get(&pool)?);
        Some(News { pool, health, turned })
    }

    fn record(&self, (pool, member, index): &(String, String, usize), outcome: Outcome) {
        let mut state = self.lock();
        state.probes += 1;
        let known = state.pools.get_mut(pool).and_then(|members| members.get_mut(member));
        let Some(change) = known.and_then(|known| known.record(member, *index, outcome)) else {
            return;
        };
        if change.visible {
            state.ready.entry(pool.clone()).or_default().extend(change.turn);
            self.news.notify_one();
        } else if !state.quiet.contains(pool) {
            state.quiet.insert(pool.clone());
        }
    }
}

fn snapshot(members: &BTreeMap<String, Member>) -> PoolHealth {
    let members = members.iter().map(|(id, member)| (id.clone(), member.snapshot()));
    PoolHealth { members: members.collect() }
}

/// Makes news of what only has new times, all of it together.
async fn tell_quietly(shared: &Shared) {
    let mut tick = interval(QUIET);
    loop {
        tick.tick().await;
        let mut state = shared.lock();
        for pool in std::mem::take(&mut state.quiet) {
            state.ready.entry(pool).or_default();
        }
        shared.news.notify_one();
    }
}

/// Probes one member for ever. Never two at a time: one that is late makes the next wait, and none is made up for.
async fn watch(shared: Arc<Shared>, probe: Probe, key: (String, String, usize)) {
    let delay = probe.monitor.delay.as_duration();
    let mut due = Instant::now() + phase(delay, &key);
    loop {
        sleep_until(due).await;
        let Ok(permit) = shared.permits.acquire().await else { return };
        let outcome = probe.run(&shared.nets).await;
        drop(permit);
        shared.record(&key, outcome);
        due = (due + delay).max(Instant::now());
    }
}

/// When in its period a member is probed, so that not all are at once.
fn phase(delay: Duration, key: &(String, String, usize)) -> Duration {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    delay.mul_f64((hasher.finish() >> 11) as f64 / (1_u64 << 53) as f64)
}

/// How many probes there can be at a time: half of the files that this process may open, which it raises as far as
/// it may.
fn room() -> io::Result<usize> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let limit = match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(_) => soft,
    };
    Ok(usize::try_from((limit / 2).min(MOST)).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_are_spread_over_their_period() {
        let mut slots = [0_u32; 50];
        let delay = Duration::from_secs(5);
        for pool in 0..1000 {
            for member in 0..10 {
                let at = phase(delay, &(format!("pool-{pool}"), format!("m{member}"), 0));
                slots[(at.as_millis() / 100) as usize] += 1;
            }
        }
        // 200 each, and no more from it than chance explains.
        assert!(slots.iter().all(|count| (140..=260).contains(count)), "{slots:?}");
    }
}
