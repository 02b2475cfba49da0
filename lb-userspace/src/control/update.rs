//! Changing a pool that is served, there and back.

use super::standing::take_down;
use super::{ControlError, plan::plan};
use crate::config::model::VipSpec;
use crate::config::{PoolSpec, yaml};
use crate::datapath::{Maps, POOL, install};
use crate::registry::{Record, Registry, Served};

/// The pool's VIP, which the caller has found servable.
pub(super) fn listener(pool: &PoolSpec) -> Result<&VipSpec, ControlError> {
    let refused = || ControlError::NotServable { pool: pool.id.to_string(), refusals: Vec::new() };
    pool.vip.as_ref().ok_or_else(refused)
}

/// Makes the datapath follow a changed `pool`, and records it.
pub(super) fn update(
    registry: &Registry,
    pool: &PoolSpec,
    record: &mut Record,
) -> Result<(), ControlError> {
    let vip = listener(pool)?;
    let mut maps = Maps::open(&registry.pins(pool.id.as_str()))?;
    let target = plan(pool, vip, record, &maps)?;
    record.pool = yaml::print(std::slice::from_ref(pool))?;
    install(&mut maps, POOL, &target)?;
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
