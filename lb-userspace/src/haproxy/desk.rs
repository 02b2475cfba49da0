//! What a controller knows of its pools beside records and maps, and all that together.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::stats::{Info, Peaks, Snapshot, Tally, Watch, gather};
use crate::control::ControlError;
use crate::datapath::Maps;
use crate::registry::{Registry, Served};

/// How connections ended, by member.
type Tallies = HashMap<String, Tally>;

/// Maps, and the number of the directory that they are pinned in.
struct Open {
    directory: u64,
    maps: Arc<Maps>,
}

/// Connections by member.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Active(pub(super) HashMap<u32, u64>);

/// Where a controller keeps what it has seen.
pub struct Desk {
    pub(super) registry: Registry,
    started: (Instant, SystemTime),
    peaks: Mutex<Peaks>,
    /// By where they are pinned: pools may share them.
    maps: Mutex<HashMap<PathBuf, Open>>,
    /// By pool; a pool without an entry has nobody who reads its events.
    tallies: Mutex<HashMap<String, Tallies>>,
    dropped_logs: AtomicU64,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("registry", &self.registry).finish_non_exhaustive()
    }
}

impl Desk {
    /// An empty desk.
    pub fn new(registry: &Registry) -> Self {
        Self {
            registry: registry.clone(),
            started: (Instant::now(), SystemTime::now()),
            peaks: Mutex::default(),
            maps: Mutex::default(),
            tallies: Mutex::default(),
            dropped_logs: AtomicU64::new(0),
        }
    }

    /// The pools at this moment, without those that are not served any more.
    ///
    /// # Errors
    /// When a record or map cannot be read.
    pub(super) fn look(&self, pools: &[String]) -> Result<(Vec<Snapshot>, Info), ControlError> {
        let mut all = Vec::new();
        for id in pools {
            let Some(served) = self.registry.get(id)? else { continue };
            match self.snapshot(&served) {
                // Removed before the record is.
                Err(_) if !self.registry.pins(&served.record).exists() => {}
                pool => all.push(pool?),
            }
        }
        lock(&self.maps).retain(|pins, _| pins.exists());
        let sum = |of: &dyn Fn(&Snapshot) -> u64| all.iter().map(of).sum();
        let info = Info {
            pid: std::process::id(),
            uptime: self.started.0.elapsed(),
            started: self.started.1.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            limit: sum(&|pool| pool.limit),
            connections: sum(&|pool| pool.load.active),
            total: sum(&|pool| pool.load.total + pool.refused),
            rate: (sum(&|pool| pool.load.rate), sum(&|pool| pool.load.rate_peak)),
            listeners: all.iter().filter(|pool| pool.vip_enabled).count() + 1,
            dropped_logs: self.dropped_logs.load(Ordering::Relaxed),
        };
        Ok((all, info))
    }

    /// A pool at this moment, with its peaks brought up to date.
    pub(super) fn snapshot(&self, served: &Served) -> Result<Snapshot, ControlError> {
        let id = served.pool.id.as_str();
        let maps = self.maps(served)?;
        let tallies = lock(&self.tallies).get(id).cloned();
        let health = self.registry.health(id)?;
        let watch = Watch { tallies: tallies.as_ref(), health: Some(&health) };
        let mut pool = gather(served, &maps, &watch)?;
        lock(&self.peaks).note(&mut pool, Instant::now());
        Ok(pool)
    }

    /// Something that counts the connections of each member.
    pub(super) fn counter(
        &self,
        served: &Served,
    ) -> Result<impl Fn() -> Result<Active, ControlError> + use<>, ControlError> {
        let maps = self.maps(served)?;
        let members: Vec<u32> = served.record.members.iter().map(|member| member.index).collect();
        let each = move |&index: &u32| Ok((index, maps.load(index)?.active.get().into()));
        Ok(move || Ok(Active(members.iter().map(&each).collect::<Result<_, ControlError>>()?)))
    }

    /// The maps of a pool. They stay open: there are two dozen of them, and somebody looks once a second.
    fn maps(&self, served: &Served) -> Result<Arc<Maps>, ControlError> {
        let pins = self.registry.pins(&served.record);
        // A pool that ended and began anew has other maps in another directory.
        let directory = fs::metadata(&pins).map(|data| data.ino()).map_err(ControlError::Start)?;
        let mut open = lock(&self.maps);
        match open.get(&pins) {
            Some(known) if known.directory == directory => Ok(Arc::clone(&known.maps)),
            Some(_) | None => {
                let maps = Arc::new(Maps::open(&pins)?);
                open.insert(pins, Open { directory, maps: Arc::clone(&maps) });
                Ok(maps)
            }
        }
    }

    /// Takes note of how many connections there are.
    pub(super) fn raise(&self, pool: &str, member: Option<&str>, active: u64) {
        lock(&self.peaks).raise(pool, member, active);
    }

    /// From now on somebody counts how the connections of a pool end.
    pub(super) fn begin_tally(&self, pool: &str) {
        lock(&self.tallies).entry(pool.to_owned()).or_default();
    }

    /// Counts how a connection of a member ended.
    pub(super) fn count(&self, pool: &str, member: &str, how: impl FnOnce(&mut Tally)) {
        if let Some(tallies) = lock(&self.tallies).get_mut(pool) {
            how(tallies.entry(member.to_owned()).or_default());
        }
    }

    /// Counts a log line that nobody took; true for the first.
    pub(super) fn drop_log(&self) -> bool {
        self.dropped_logs.fetch_add(1, Ordering::Relaxed) == 0
    }
}

/// What is behind the lock is whole after each change.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
