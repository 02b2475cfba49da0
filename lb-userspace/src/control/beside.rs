//! The pools at one device: they share its programs, maps and NAT ports.

use std::fs;

use nix::time::ClockId;

use super::places::Places;
use super::{ControlError, Standing, standing};
use crate::datapath::Maps;
use crate::node::clock;
use crate::registry::{Record, Registry, RegistryError};

/// The pools beside one that is about to be served.
pub(super) struct Beside {
    pools: Vec<(String, Record)>,
    /// Whether anything is attached to the device.
    attached: bool,
}

impl Beside {
    /// Those at the device of `record`, which gets the attachment that is there, its own from `before` or theirs.
    pub(super) fn of(
        registry: &Registry,
        id: &str,
        record: &mut Record,
        before: Option<&Record>,
    ) -> Result<Self, ControlError> {
        let mut there = Vec::new();
        for (name, other) in registry.beside(id, record)? {
            if standing(registry, &other)? == Standing::Attached {
                there.push((name, other));
            } else if registry.controller(&name).is_none() {
                tracing::warn!(pool = %name, "its namespace or device is gone: it is forgotten");
                registry.discard(&name)?;
            }
        }
        let attached = before.into_iter().chain(there.iter().map(|(_, other)| other)).next();
        if let Some(attached) = attached {
            (record.hook, record.xdp) = (attached.hook, attached.xdp);
            record.outer = attached.outer.clone();
            (record.shared, record.zone) = (attached.shared, attached.zone);
        }
        let attached = attached.is_some();
        Ok(Self { pools: there, attached })
    }

    /// Whether anything is attached to the device.
    pub(super) const fn is_attached(&self) -> bool {
        self.attached
    }

    /// Gets the directories for pins ready. What another device of the same numbers has left is removed.
    pub(super) fn make_room(
        &self,
        registry: &Registry,
        record: &Record,
    ) -> Result<(), ControlError> {
        if !self.attached {
            registry.unpin(record)?;
        }
        let links = registry.links(record);
        let made = |source| RegistryError::Io { what: "make", path: links.clone(), source };
        Ok(fs::create_dir_all(&links).map_err(made)?)
    }

    /// Finds places in the maps for a pool that is new in them, and for its device if that is.
    pub(super) fn join(
        &self,
        registry: &Registry,
        id: &str,
        record: &mut Record,
        maps: &mut Maps,
    ) -> Result<(), ControlError> {
        let places = Places::of(registry, id, record);
        if record.shared && !self.attached {
            let zone = places.zone(maps)?;
            record.zone = zone.ok_or_else(|| ControlError::NoIndex(id.to_owned()))?;
            maps.clear_counters(record.zone)?;
        }
        // What others send on goes on with what they have.
        if !self.attached && record.zone == 0 {
            maps.scatter_ids()?;
        }
        let index = places.pool(maps)?;
        record.index = index.ok_or_else(|| ControlError::NoIndex(id.to_owned()))?;
        // The clock of events.
        let now = clock(ClockId::CLOCK_MONOTONIC_COARSE).map_err(ControlError::Start)?;
        record.since = now.as_nanos() as u64;
        Ok(maps.begin(record.index)?)
    }

    /// The others are attached as `record` is from now on.
    pub(super) fn follow(&self, registry: &Registry, record: &Record) -> Result<(), ControlError> {
        for (id, other) in &self.pools {
            let now = Record {
                hook: record.hook,
                xdp: record.xdp,
                outer: record.outer.clone(),
                ..other.clone()
            };
            if now != *other {
                registry.put(id, &now)?;
            }
        }
        Ok(())
    }
}
