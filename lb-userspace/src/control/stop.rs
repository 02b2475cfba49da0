//! Ending a pool that has no controller.

use super::ControlError;
use super::standing::take_down;
use crate::registry::Registry;

/// Ends the service of the pool an operator means, all of it. Returns the pool's id.
///
/// # Errors
/// When there is no such pool, or a controller has it.
pub fn stop(registry: &Registry, pool: &str) -> Result<String, ControlError> {
    let (_lock, served) = registry.find_to_change(pool)?;
    let id = served.pool.id.to_string();
    let _claim = registry.claim(&id)?;
    take_down(registry, &id, &served.record)?;
    registry.remove(&id)?;
    Ok(id)
}
