//! The programs of a device: its own, or those that it shares with others.

use std::path::Path;

use super::ControlError;
use super::door::Door;
use super::home::Home;
use crate::datapath::{Datapath, detach_early};
use crate::node::{Device, Place};

/// The programs of a pool's device.
pub(super) enum Programs {
    /// Its own.
    Own(Box<Datapath>),
    /// Those that it shares with others.
    Shared(Home),
}

impl Programs {
    /// Works with them.
    pub(super) fn with<R>(
        &mut self,
        work: impl FnOnce(&mut Datapath) -> Result<R, ControlError>,
    ) -> Result<R, ControlError> {
        match self {
            Self::Own(datapath) => work(datapath),
            Self::Shared(home) => home.with(work),
        }
    }
}

/// Puts the XDP program in front of the one that is attached, or takes it away, and has the way of packets proved.
/// `before` says whether one was there. Returns how the device is served then.
pub(super) fn open(
    door: Door,
    id: &str,
    programs: &mut Programs,
    place: &Place,
    device: &Device,
    pins: &Path,
    before: bool,
) -> Result<Door, ControlError> {
    let mut door = door;
    let mut proof = None;
    if door.early {
        let proved = programs.with(|datapath| {
            place.run(|| datapath.attach_early(device, pins).map_err(ControlError::from))?;
            door.prove(datapath, place, device)
        });
        match proved {
            Ok(proved) => proof = Some(proved),
            Err(error) if door.optional => door = door.without(&error),
            Err(error) => {
                if !before {
                    detach_early(pins)?;
                }
                return Err(error);
            }
        }
    }
    let proof = match proof {
        Some(proof) => proof,
        None => {
            detach_early(pins)?;
            programs.with(|datapath| door.prove(datapath, place, device))?
        }
    };
    let device = device.name.as_str();
    tracing::info!(pool = id, "{device} is served by {}: {}; {proof}", door.name(), door.why());
    Ok(door)
}
