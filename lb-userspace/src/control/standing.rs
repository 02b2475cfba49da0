//! Whether a pool that is recorded as served still is, and taking it down.

use super::ControlError;
use crate::datapath::{Hook, detach, is_attached};
use crate::node::Place;
use crate::registry::{Record, Registry};

/// What has become of an attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The program is on the device.
    Attached,
    /// It is not: the namespace or the device is gone, or somebody removed it.
    Gone,
    /// It is in a namespace without a name, which is not the current one: nobody can tell.
    Elsewhere,
}

/// Looks where the record says that pool `id` is served.
///
/// # Errors
/// When the device cannot be looked at.
pub fn standing(registry: &Registry, id: &str, record: &Record) -> Result<Standing, ControlError> {
    let Some(hook) = &record.hook else { return Ok(Standing::Gone) };
    let place = Place::named(&record.namespace);
    match place.number() {
        Ok(number) if number == record.netns => {}
        _ if place.is_current() => return Ok(Standing::Elsewhere),
        Ok(_) | Err(_) => return Ok(Standing::Gone),
    }
    let pins = registry.pins(id);
    let attached =
        place.run(|| is_attached(record.ifindex, hook, &pins).map_err(ControlError::from))?;
    Ok(if attached { Standing::Attached } else { Standing::Gone })
}

/// Takes the program of pool `id` off its device, wherever that is.
pub(super) fn take_down(
    registry: &Registry,
    id: &str,
    record: &Record,
) -> Result<(), ControlError> {
    let Some(hook) = &record.hook else { return Ok(()) };
    let pins = registry.pins(id);
    let off = || detach(record.ifindex, hook, &pins).map_err(ControlError::from);
    let place = Place::named(&record.namespace);
    match (hook, place.number()) {
        // The pin is enough.
        (Hook::Tcx, _) => off(),
        (Hook::Clsact { .. }, Ok(number)) if number == record.netns => place.run(off),
        (Hook::Clsact { .. }, _) if place.is_current() => {
            Err(ControlError::Elsewhere { pool: id.to_owned(), device: record.device.clone() })
        }
        // A namespace that is gone took its devices along.
        (Hook::Clsact { .. }, _) => Ok(()),
    }
}
