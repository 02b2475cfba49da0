//! The pools of one controller, together: all start or none does, and each ends for itself.

use super::candidate::Candidate;
use super::{ControlError, ServeOptions, Serving, Standing, announce};
use crate::config::PoolSpec;
use crate::registry::Registry;

/// Starts all pools, or none.
pub(super) fn start_all(
    registry: &Registry,
    pools: &[PoolSpec],
    options: &ServeOptions,
) -> Result<Vec<Serving>, ControlError> {
    let _lock = registry.open()?;
    let started = start_each(registry, pools, options);
    if started.is_err() {
        for pool in pools {
            registry.release(pool.id.as_str())?;
        }
        registry.tidy()?;
    }
    let started = started?;
    announce::begin(pools, &started, options.announce);
    Ok(started)
}

/// Starts one pool. Whatever is served of it already is taken over without touching a connection.
///
/// # Errors
/// When it cannot be served; then everything is as before.
pub fn start(
    registry: &Registry,
    pool: &PoolSpec,
    options: &ServeOptions,
) -> Result<Serving, ControlError> {
    let mut started = start_all(registry, std::slice::from_ref(pool), options)?;
    started.pop().ok_or(ControlError::NothingLeft)
}

/// Looks for what could go wrong with any pool before it changes the first.
fn start_each(
    registry: &Registry,
    pools: &[PoolSpec],
    options: &ServeOptions,
) -> Result<Vec<Serving>, ControlError> {
    let named = |id: &str, source| ControlError::Serve { pool: id.to_owned(), source };
    let find = |pool| {
        Candidate::find(registry, pool).map_err(|error| named(pool.id.as_str(), Box::new(error)))
    };
    let candidates = pools.iter().map(find).collect::<Result<Vec<_>, _>>()?;
    Candidate::check_each_other(&candidates)?;
    let mut serving = Vec::new();
    for candidate in candidates {
        let id = candidate.pool.id.as_str();
        match Serving::start(registry, candidate, options) {
            Ok(pool) => serving.push(pool),
            Err(error) => {
                serving.into_iter().for_each(|pool: Serving| pool.undo(registry));
                return Err(named(id, Box::new(error)));
            }
        }
    }
    Ok(serving)
}

/// Ends the pools whose programs are gone, and says so; returns the others.
pub(super) fn end_lost(registry: &Registry, serving: Vec<Serving>) -> Vec<Serving> {
    let is_lost = |pool: &Serving| match pool.standing(registry) {
        Ok(standing) => standing == Standing::Gone,
        Err(error) => {
            tracing::warn!(pool = pool.id(), error = error.chain(), "cannot look at the device");
            false
        }
    };
    let (lost, alive): (Vec<_>, Vec<_>) = serving.into_iter().partition(is_lost);
    if !lost.is_empty() {
        for pool in &lost {
            tracing::error!(
                pool = pool.id(),
                "the program is no longer on {}: the namespace or the device is gone, or somebody \
                 removed it; the pool is not served any more",
                pool.device()
            );
        }
        if let Err(error) = end_all(registry, lost) {
            tracing::warn!(error = error.chain(), "cannot remove all of it");
        }
    }
    alive
}

/// Ends pools; one that cannot be ended does not keep the others.
pub(super) fn end_all(registry: &Registry, serving: Vec<Serving>) -> Result<(), ControlError> {
    let _lock = registry.lock()?;
    // Not in one go: each is to be tried.
    let ends: Vec<_> = serving.into_iter().map(|pool| pool.end(registry)).collect();
    ends.into_iter().collect()
}
