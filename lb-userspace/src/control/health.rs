//! What monitors find, and what becomes of it: the datapath follows, it is written down, and it is said once.

use std::collections::HashMap;

use super::{ControlError, Serving, update::update};
use crate::config::PoolSpec;
use crate::datapath::Maps;
use crate::monitor::{
    MonitorError, Monitors, News, PoolHealth, Results, Standings, Turn, all_down, transition,
};
use crate::registry::{MemberRecord, Record, Registry, Served, Stamp};

/// The monitors of the pools of one controller.
#[derive(Debug)]
pub struct Care {
    monitors: Monitors,
    pools: HashMap<String, Followed>,
}

/// A pool whose members are probed, or should be.
#[derive(Debug, Default)]
struct Followed {
    /// The record that it is followed by; none if there is something to be done yet.
    stamp: Option<Stamp>,
    /// What was said last of why that is so.
    complaint: Option<String>,
}

impl Care {
    /// Takes nobody into care yet. What comes of it is for [`Care::take_in`].
    ///
    /// # Errors
    /// When there can be no monitors.
    pub fn start() -> Result<(Self, Results), ControlError> {
        let (monitors, results) = Monitors::start()?;
        Ok((Self { monitors, pools: HashMap::new() }, results))
    }

    /// Follows the pools as their records are now: those that are new, and those that somebody has changed. Others are
    /// forgotten. What fails is said once, and tried again with the next look.
    pub fn look<'a>(
        &mut self,
        registry: &Registry,
        serving: impl IntoIterator<Item = &'a Serving>,
    ) {
        let mut before = std::mem::take(&mut self.pools);
        for pool in serving {
            let (id, stamp) = (pool.id(), registry.stamp(pool.id()));
            let mut followed = before.remove(id).unwrap_or_default();
            if stamp.is_some() && followed.stamp != stamp {
                match self.follow(registry, pool) {
                    // If that has changed the record, there is one more look at it.
                    Ok(()) => followed = Followed { stamp, complaint: None },
                    Err(error) => followed.complain(id, &error),
                }
            }
            self.pools.insert(id.to_owned(), followed);
        }
        before.keys().for_each(|gone| self.monitors.forget(gone));
    }

    /// Does what the news ask for. What fails is said, and tried again with the next look.
    pub fn take_in(&mut self, registry: &Registry, news: &News) {
        let done = (|| {
            registry.put_health(&news.pool, &news.health)?;
            if news.turned.is_empty() {
                return Ok(());
            }
            settle(registry, &news.pool, &news.health, &news.turned)
        })();
        if let Err(error) = done {
            self.pools.entry(news.pool.clone()).or_default().complain(&news.pool, &error);
        }
    }

    fn follow(&self, registry: &Registry, pool: &Serving) -> Result<(), ControlError> {
        let Some(served) = registry.get(pool.id())? else { return Ok(()) };
        let known = registry.health(pool.id())?;
        let health = self.monitors.follow(&served.pool, pool.place(), &known)?;
        if health != known {
            registry.put_health(pool.id(), &health)?;
        }
        if served.record.members.iter().any(|known| is_amiss(known, &health)) {
            settle(registry, pool.id(), &health, &[])?;
        }
        Ok(())
    }
}

impl Followed {
    fn complain(&mut self, pool: &str, error: &ControlError) {
        let error = error.chain();
        if self.complaint.as_ref() != Some(&error) {
            tracing::warn!(pool, error, "members are not as their monitors find them");
        }
        *self = Self { stamp: None, complaint: Some(error) };
    }
}

/// Makes sure, before anything is served, that the monitors of these pools can be run.
pub(super) fn check(pools: &[PoolSpec]) -> Result<(), MonitorError> {
    pools.iter().try_for_each(crate::monitor::check_authorities)
}

/// Whether a member's record says otherwise than its monitors, who have a say about it.
fn is_amiss(known: &MemberRecord, health: &PoolHealth) -> bool {
    !known.removed && !known.forced && known.down != health.is_down(&known.id)
}

/// Makes record and datapath follow the monitors, and says who turned.
fn settle(
    registry: &Registry,
    id: &str,
    health: &PoolHealth,
    turned: &[Turn],
) -> Result<(), ControlError> {
    let _lock = registry.lock()?;
    let Some(Served { mut record, pool }) = registry.get(id)? else { return Ok(()) };
    let lines = lines(registry, &pool, &record, turned);
    if record.members.iter().any(|known| is_amiss(known, health)) {
        for known in &mut record.members {
            if is_amiss(known, health) {
                known.down = !known.down;
            }
        }
        update(registry, &pool, &mut record)?;
    }
    for (up, line) in lines {
        if up {
            tracing::info!("{line}");
        } else {
            tracing::warn!("{line}");
        }
    }
    Ok(())
}

/// What is to be said of members that turned, one after the other, and whether it is good news.
fn lines(
    registry: &Registry,
    pool: &PoolSpec,
    record: &Record,
    turned: &[Turn],
) -> Vec<(bool, String)> {
    let maps = Maps::open(&registry.pins(record)).ok();
    let mut record = record.clone();
    let mut lines = Vec::new();
    for turn in turned {
        let known =
            record.members.iter_mut().find(|known| !known.removed && known.id == turn.member);
        let spec = pool.members.iter().find(|spec| spec.id.as_str() == turn.member);
        let (Some(known), Some(spec)) = (known, spec) else { continue };
        // An operator's word stands.
        if known.forced {
            continue;
        }
        known.down = !turn.up;
        let load = maps.as_ref().and_then(|maps| maps.load(known.index).ok());
        let sessions = load.map_or(0, |load| load.active.get());
        let (active, backup) = standings(pool, &record);
        let now = Standings { active, backup, sessions };
        let (id, member) = (pool.id.as_str(), turn.member.as_str());
        lines.push((turn.up, transition(id, member, spec.backup, turn.up, &turn.outcome, now)));
        if !turn.up && (active, backup) == (0, 0) {
            lines.push((false, all_down(id)));
        }
    }
    lines
}

/// How many members, and how many backups, could take a connection.
fn standings(pool: &PoolSpec, record: &Record) -> (usize, usize) {
    let is_down = |id: &str| record.members.iter().any(|m| !m.removed && m.id == id && m.down);
    let usable = |backup: bool| {
        let members = pool.members.iter().filter(|spec| spec.backup == backup);
        members
            .filter(|spec| spec.admin_state_up && spec.weight.get() > 0)
            .filter(|spec| !is_down(spec.id.as_str()))
            .count()
    };
    (usable(false), usable(true))
}
