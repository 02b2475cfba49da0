//! Looking at pools that are served, whoever serves them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::{ControlError, Standing, standing};
use crate::datapath::Maps;
use crate::once::once;
use crate::registry::{Registry, Served};
use crate::report::{self, Status};

/// The pool an operator means, or all that are served, each with its maps: without those that are about to get a place
/// there; those that share maps have the same.
///
/// # Errors
/// When there is no such pool, or the maps of one cannot be opened.
pub fn look(
    registry: &Registry,
    wanted: Option<&str>,
) -> Result<Vec<(Served, Arc<Maps>)>, ControlError> {
    match open(registry, wanted) {
        // The pins of a pool that ends are removed before its record: under the lock there are both or neither.
        Err(ControlError::Datapath(_)) => {
            let _lock = registry.lock_if_any()?;
            open(registry, wanted)
        }
        looked => looked,
    }
}

fn open(
    registry: &Registry,
    wanted: Option<&str>,
) -> Result<Vec<(Served, Arc<Maps>)>, ControlError> {
    let mut opened: HashMap<PathBuf, Arc<Maps>> = HashMap::new();
    let with_maps = |served: Served| {
        let pins = registry.pins(&served.record);
        let maps = once(&mut opened, pins, |pins| Maps::open(pins).map(Arc::new))?;
        Ok((served, Arc::clone(maps)))
    };
    let served = registry.find_or_list(wanted)?.into_iter();
    served.filter(|served| served.record.has_index()).map(with_maps).collect()
}

/// The status of the pool an operator means or of all, each with whether its program is still where it was attached.
///
/// # Errors
/// As for [`look`], and when maps cannot be read.
pub fn status(registry: &Registry, wanted: Option<&str>) -> Result<Status, ControlError> {
    let is_attached = |served: &Served| match standing(registry, &served.record).ok()? {
        Standing::Attached => Some(true),
        Standing::Gone => Some(false),
        Standing::Elsewhere => None,
    };
    let looked = look(registry, wanted)?;
    let attached = looked.iter().map(|(served, _)| is_attached(served)).collect();
    Ok(report::status(registry, &looked, attached)?)
}
