//! The programs of a device: its own, or those that it shares with others.

use std::path::Path;

use super::ControlError;
use super::door::{Door, Front};
use super::home::Home;
use super::outer::{Outside, close};
use crate::datapath::{Attach, Datapath, Hook, attach, detach_early};
use crate::node::Device;
use crate::registry::Record;

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

    /// Attaches one to a device of the current namespace, of this zone if they are shared; its link is pinned below `links`.
    pub(super) fn attach(
        &mut self,
        zone: u16,
        device: &Device,
        links: &Path,
        how: Attach<'_>,
    ) -> Result<Hook, ControlError> {
        match self {
            Self::Own(datapath) => Ok(attach(datapath.at(how.post)?, device, links, how)?),
            Self::Shared(home) => home.attach(zone, device, links, how),
        }
    }
}

/// Puts what stands before the attached program there, or takes it away, and has the way of packets proved. `record` says what
/// was there before, and then what is. Returns how the device is served.
pub(super) fn open(
    door: Door,
    id: &str,
    programs: &mut Programs,
    outside: &Outside<'_>,
    record: &mut Record,
) -> Result<Door, ControlError> {
    let Outside { place, device, links, .. } = outside;
    let mut door = door;
    let mut proof = None;
    if door.front == Front::Xdp {
        let proved = programs.with(|datapath| {
            place.run(|| datapath.attach_early(device, links).map_err(ControlError::from))?;
            door.prove(datapath, place, device)
        });
        match proved {
            Ok(proved) => proof = Some(proved),
            Err(error) if door.optional => door = door.without(&error),
            Err(error) => {
                if !record.xdp {
                    detach_early(links)?;
                }
                return Err(error);
            }
        }
    }
    if door.front != Front::Xdp {
        detach_early(links)?;
    }
    record.xdp = door.front == Front::Xdp;
    let outer = match (door.front, door.peer()) {
        (Front::Outer, Some(peer)) => match outside.attach(programs, peer, record.outer.as_ref()) {
            Ok(outer) => Some(outer),
            Err(error) if door.optional => {
                door = door.without(&error);
                None
            }
            Err(error) => return Err(error),
        },
        (Front::None | Front::Xdp | Front::Outer, _) => None,
    };
    if outer.is_none() {
        close(record, Some(place), links)?;
    }
    record.outer = outer;
    let proof = match proof {
        Some(proof) => proof,
        None => programs.with(|datapath| door.prove(datapath, place, device))?,
    };
    let device = device.name.as_str();
    tracing::info!(pool = id, "{device} is served by {}: {}; {proof}", door.name(), door.why());
    Ok(door)
}
