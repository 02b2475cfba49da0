//! Whether a pool that is recorded as served still is, and taking it down.

use std::path::Path;

use super::ControlError;
use super::outer::close;
use crate::datapath::{Hook, Maps, Post, detach, detach_early, is_attached, uninstall};
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

/// Where a record's namespace is.
pub(super) enum Whereabouts {
    /// Here to be entered.
    At(Place),
    /// There is no such namespace any more, though another one may have its name.
    Gone,
    /// It has no name and is not the current one.
    Elsewhere,
}

impl Whereabouts {
    /// The namespace, if it can be entered.
    pub(super) const fn place(&self) -> Option<&Place> {
        match self {
            Self::At(place) => Some(place),
            Self::Gone | Self::Elsewhere => None,
        }
    }
}

/// Looks for the namespace of a record.
pub(super) fn whereabouts(record: &Record) -> Whereabouts {
    let place = Place::named(&record.namespace);
    match place.number() {
        Ok(number) if number == record.netns => Whereabouts::At(place),
        _ if place.is_current() => Whereabouts::Elsewhere,
        Ok(_) | Err(_) => Whereabouts::Gone,
    }
}

/// Looks where the record says that its pool is served.
///
/// # Errors
/// When the device cannot be looked at.
pub fn standing(registry: &Registry, record: &Record) -> Result<Standing, ControlError> {
    let Some(hook) = &record.hook else { return Ok(Standing::Gone) };
    let place = match whereabouts(record) {
        Whereabouts::At(place) => place,
        Whereabouts::Gone => return Ok(Standing::Gone),
        Whereabouts::Elsewhere => return Ok(Standing::Elsewhere),
    };
    let links = registry.links(record);
    let attached =
        place.run(|| is_attached(record.ifindex, hook, &links).map_err(ControlError::from))?;
    Ok(if attached { Standing::Attached } else { Standing::Gone })
}

/// Takes the program of pool `id` off its device, wherever that is, or the pool out of what it does for others there.
pub(super) fn take_down(
    registry: &Registry,
    id: &str,
    record: &Record,
) -> Result<(), ControlError> {
    let links = registry.links(record);
    let is_last = registry.beside(id, record)?.is_empty();
    if record.shared || !is_last {
        withdraw(&registry.pins(record), record)?;
    }
    if !is_last {
        return Ok(());
    }
    // The pin is enough, wherever the device is.
    detach_early(&links)?;
    let whereabouts = whereabouts(record);
    close(record, whereabouts.place(), &links)?;
    let Some(hook) = &record.hook else { return Ok(()) };
    let off = || detach(record.ifindex, hook, &links, Post::Ingress).map_err(ControlError::from);
    match (hook, whereabouts) {
        // The pin is enough.
        (Hook::Tcx, _) => off(),
        (Hook::Clsact { .. }, Whereabouts::At(place)) => place.run(off),
        // A namespace that is gone took its devices along.
        (Hook::Clsact { .. }, Whereabouts::Gone) => Ok(()),
        (Hook::Clsact { .. }, Whereabouts::Elsewhere) => {
            Err(ControlError::Elsewhere { pool: id.to_owned(), device: record.device.clone() })
        }
    }
}

/// Takes a pool out of maps that it shares. Its connections end with the next sweep, which others see to.
fn withdraw(pins: &Path, record: &Record) -> Result<(), ControlError> {
    if !pins.exists() || !record.has_index() {
        return Ok(());
    }
    Ok(uninstall(&mut Maps::open(pins)?, record.index)?)
}
