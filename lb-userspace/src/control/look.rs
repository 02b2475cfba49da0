//! Looking at pools that are served, whoever serves them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::{ControlError, Standing, standing};
use crate::datapath::Maps;
use crate::once::once;
use crate::registry::{Registry, Served};
use crate::report::{self, Status};

/// Each pool with its maps, without those that are about to get a place there and those that have ended since they were
/// listed; those that share maps have the same.
///
/// # Errors
/// When the maps of one cannot be opened that is served.
pub fn with_maps<'a>(
    registry: &Registry,
    served: &'a [Served],
) -> Result<Vec<(&'a Served, Arc<Maps>)>, ControlError> {
    let mut opened: HashMap<PathBuf, Arc<Maps>> = HashMap::new();
    let mut open = |served: &'a Served| {
        let pins = registry.pins(&served.record);
        match once(&mut opened, pins, |pins| Maps::open(pins).map(Arc::new)) {
            Ok(maps) => Ok(Some((served, Arc::clone(maps)))),
            Err(_) if registry.has_ended(served.pool.id.as_str())? => Ok(None),
            Err(error) => Err(error.into()),
        }
    };
    let placed = served.iter().filter(|served| served.record.has_index());
    placed.filter_map(|served| open(served).transpose()).collect()
}

/// The status of pools, each with whether its program is still where it was attached.
///
/// # Errors
/// When the maps of one cannot be opened or read.
pub fn status(registry: &Registry, served: &[Served]) -> Result<Status, ControlError> {
    let is_attached = |served: &Served| match standing(registry, &served.record).ok()? {
        Standing::Attached => Some(true),
        Standing::Gone => Some(false),
        Standing::Elsewhere => None,
    };
    let looked = with_maps(registry, served)?.into_iter();
    let looked = looked.map(|(served, maps)| (served, maps, is_attached(served))).collect();
    Ok(report::status(registry, looked)?)
}
