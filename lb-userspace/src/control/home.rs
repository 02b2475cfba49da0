//! The programs and maps that devices of the node share: a process loads them once, whatever number of devices it serves.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::ControlError;
use super::fill::Fill;
use crate::datapath::{Attach, Datapath, Entrances, Hook, Inlet, Maps, Options, attach};
use crate::node::{Device, Place, device_mac};

/// What a warning names where it is about all the pools that share maps.
pub(super) const ALL: &str = "all that share";

/// The shared programs and maps, if this process has loaded them. All copies are of the same.
#[derive(Clone)]
pub struct Home {
    options: Options,
    loaded: Arc<Mutex<Option<Loaded>>>,
}

struct Loaded {
    datapath: Datapath,
    entrances: Entrances,
    maps: Maps,
    pins: PathBuf,
    /// Number of that directory: another one may come in its place.
    directory: Option<u64>,
    fill: Fill,
}

impl Default for Home {
    fn default() -> Self {
        Self::with_room(Options::NODE_CONNECTIONS)
    }
}

impl std::fmt::Debug for Home {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Home")
    }
}

impl Home {
    /// With room for so many connections, should the maps have to be made.
    #[must_use]
    pub fn with_room(connections: u32) -> Self {
        Self { options: Options::for_node(connections), loaded: Arc::default() }
    }

    /// Loads the programs over the maps that are pinned below `pins`, or makes those, unless that was done. Every device
    /// that shares them goes on with these programs at once.
    pub(super) fn load(&self, pins: &Path) -> Result<(), ControlError> {
        let mut home = self.lock();
        // They go with the last pool, and another one makes them anew.
        if home.as_ref().is_some_and(|loaded| loaded.is_pinned()) {
            return Ok(());
        }
        *home = None;
        let mut datapath = Datapath::load(&self.options, Some(pins))?;
        let maps = datapath.take_maps()?;
        datapath.share(pins)?;
        let fill = Fill::of(maps.flow_capacity());
        let entrances = Entrances::new(pins);
        let (pins, directory) = (pins.to_owned(), number(pins));
        *home = Some(Loaded { datapath, entrances, maps, pins, directory, fill });
        Ok(())
    }

    /// Lets go of what no pool needs any more.
    pub(super) fn tidy(&self) {
        let mut home = self.lock();
        if home.as_ref().is_some_and(|loaded| !loaded.is_pinned()) {
            *home = None;
        }
    }

    /// Has a device of the current namespace, or the outer end of one, begin with the shared programs; its link is pinned below
    /// `links`.
    pub(super) fn attach(
        &self,
        zone: u16,
        device: &Device,
        links: &Path,
        how: Attach<'_>,
    ) -> Result<Hook, ControlError> {
        let mut home = self.lock();
        let loaded = home.as_mut().ok_or(ControlError::NothingLeft)?;
        loaded.datapath.at(how.post)?;
        Ok(attach(loaded.entrances.load(zone)?.program(how.post)?, device, links, how)?)
    }

    /// Works with the shared programs.
    pub(super) fn with<R>(
        &self,
        work: impl FnOnce(&mut Datapath) -> Result<R, ControlError>,
    ) -> Result<R, ControlError> {
        let mut home = self.lock();
        work(&mut home.as_mut().ok_or(ControlError::NothingLeft)?.datapath)
    }

    /// Ends what has expired at all devices. What has to be told is told at those of `zones`: the zones of this process, with
    /// where their devices are. Returns how many conntrack entries there were.
    pub(super) fn sweep(&self, zones: &HashMap<u16, (&Place, u32)>) -> Result<u32, ControlError> {
        let mut home = self.lock();
        let Some(Loaded { datapath, maps, fill, .. }) = home.as_mut() else { return Ok(0) };
        datapath.flush_log();
        let due = datapath.reaper()?.sweep_all(maps)?;
        fill.watch(ALL, due.entries);
        let mut sweep = |zone: &u16| {
            let (place, ifindex) = zones.get(zone)?;
            Some(sweep_zone(datapath, *zone, place, *ifindex).map(drop))
        };
        // Not in one go: each is to be tried.
        let swept: Vec<_> = due.zones.iter().filter_map(&mut sweep).collect();
        swept.into_iter().collect::<Result<(), _>>().map(|()| due.entries)
    }

    /// What is behind the lock is whole after each change.
    fn lock(&self) -> MutexGuard<'_, Option<Loaded>> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Loaded {
    /// Whether these are the maps that a pool would find.
    fn is_pinned(&self) -> bool {
        self.directory.is_some() && number(&self.pins) == self.directory
    }
}

fn number(directory: &Path) -> Option<u64> {
    fs::metadata(directory).map(|data| data.ino()).ok()
}

/// Ends what has expired at one device; zone 0 is that of one with maps of its own. Returns how many conntrack entries
/// there were.
pub(super) fn sweep_zone(
    datapath: &mut Datapath,
    zone: u16,
    place: &Place,
    ifindex: u32,
) -> Result<u32, ControlError> {
    place.run(|| {
        // A device that is gone has nobody to tell.
        let Some(mac) = device_mac(ifindex) else { return Ok(0) };
        Ok(datapath.reaper()?.sweep(zone, Inlet { ifindex, mac })?)
    })
}
