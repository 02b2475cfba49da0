//! Changing a pool that is served, there and back.

use super::reach::warn_unreachable;
use super::standing::{Whereabouts, take_down, whereabouts};
use super::{ControlError, plan::plan};
use crate::config::model::{MemberSpec, VipSpec};
use crate::config::{PoolSpec, yaml};
use crate::datapath::{Maps, install};
use crate::registry::{Record, Registry, RegistryError, Served};

/// The pool's VIP, which the caller has found servable.
pub(super) fn listener(pool: &PoolSpec) -> Result<&VipSpec, ControlError> {
    let refused = || ControlError::NotServable { pool: pool.id.to_string(), refusals: Vec::new() };
    pool.vip.as_ref().ok_or_else(refused)
}

/// Changes a pool that is served at the same VIP to what is declared now: all at once for packets, and without touching a
/// connection. The pool has to be servable.
///
/// # Errors
/// When it is not served, or the datapath cannot follow; then everything is as before.
pub fn change_pool(registry: &Registry, pool: &PoolSpec) -> Result<(), ControlError> {
    let _lock = registry.lock()?;
    let id = pool.id.as_str();
    let served = registry.get(id)?;
    let Served { mut record, pool: before } =
        served.ok_or_else(|| RegistryError::NoPool(id.to_owned()))?;
    let is_new = |member: &&MemberSpec| before.members.iter().all(|old| old.id != member.id);
    let joining: Vec<MemberSpec> = pool.members.iter().filter(is_new).cloned().collect();
    if let (false, Whereabouts::At(place)) = (joining.is_empty(), whereabouts(&record)) {
        warn_unreachable(&place, &record, &pool.id, &joining);
    }
    let changed = update(registry, pool, &mut record);
    if changed.is_err() {
        undo(registry, id, Some(&before));
    }
    changed
}

/// Makes the datapath follow a changed `pool`, and records it.
pub(super) fn update(
    registry: &Registry,
    pool: &PoolSpec,
    record: &mut Record,
) -> Result<(), ControlError> {
    let vip = listener(pool)?;
    let mut maps = Maps::open(&registry.pins(record))?;
    let target = plan(registry, pool, vip, record, &maps)?;
    record.pool = yaml::print(std::slice::from_ref(pool))?;
    install(&mut maps, record.index, &target)?;
    Ok(registry.put(pool.id.as_str(), record)?)
}

/// Brings back the pool as it was served before, or removes what was begun. That something of it
/// failed is the lesser news: whoever calls this has an error to report already.
pub(super) fn undo(registry: &Registry, id: &str, before: Option<&PoolSpec>) {
    let undone = (|| {
        let served = registry.get(id)?;
        match (served, before) {
            (Some(Served { mut record, .. }), Some(before)) => {
                update(registry, before, &mut record)
            }
            (served, _) => {
                if let Some(Served { record, .. }) = served {
                    take_down(registry, id, &record)?;
                }
                Ok(registry.remove(id)?)
            }
        }
    })();
    if let Err(error) = undone {
        tracing::warn!(pool = id, error = error.chain(), "cannot undo what was begun");
    }
}
