//! What the maps hold: the kernel's entries as they were when they were first looked at, and what the program made of them.

use std::collections::HashMap;
use std::os::fd::AsFd as _;
use std::path::Path;

use aya::maps::MapData;

use super::Error;
use super::code::Described;
use crate::bpf::{self, ARRAY};

/// Types of maps of linux/bpf.h.
const HASH: u32 = 1;
const PER_CPU_ARRAY: u32 = 6;
const LRU_HASH: u32 = 9;
const LPM_TRIE: u32 = 11;

/// The object's maps.
pub(super) struct Tables<'a> {
    maps: Vec<(&'a Described, Option<MapData>)>,
    /// Where the values are that were looked at, by map and key; none where there is no such entry.
    seen: HashMap<(usize, Vec<u8>), Option<u64>>,
}

impl<'a> Tables<'a> {
    pub(super) fn open(maps: &'a [Described], pins: &Path) -> Result<Self, Error> {
        let open = |map: &'a Described| {
            let path = pins.join(&map.name);
            if !path.exists() {
                return Ok((map, None));
            }
            let data = MapData::from_pin(path);
            let failed =
                |error| Error::Map { map: map.name.clone(), source: std::io::Error::other(error) };
            Ok((map, Some(data.map_err(failed)?)))
        };
        let maps = maps.iter().map(open).collect::<Result<_, Error>>()?;
        Ok(Self { maps, seen: HashMap::new() })
    }

    pub(super) fn described(&self, map: usize) -> Option<&'a Described> {
        self.maps.get(map).map(|(described, _)| *described)
    }

    /// Where the value is that was looked at with this key: a value's place, or that there is none.
    pub(super) fn seen(&self, map: usize, key: &[u8]) -> Option<Option<u64>> {
        self.seen.get(&(map, key.to_vec())).copied()
    }

    /// From now on the value is there.
    pub(super) fn note(&mut self, map: usize, key: &[u8], value: Option<u64>) {
        self.seen.insert((map, key.to_vec()), value);
    }

    /// What the kernel has there. What each CPU has for itself begins with zero, and so does what is pinned nowhere because nothing
    /// in it outlives a packet.
    pub(super) fn read(&self, map: usize, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let Some((described, data)) = self.maps.get(map) else { return Ok(None) };
        let mut value = vec![0; described.value];
        match (described.kind, data) {
            (PER_CPU_ARRAY, _) | (ARRAY, None) => Ok(Some(value)),
            (HASH | ARRAY | LRU_HASH | LPM_TRIE, Some(data)) => {
                let found = bpf::look_up(data.fd().as_fd(), key, &mut value);
                let map = || described.name.clone();
                let found = found.map_err(|source| Error::Map { map: map(), source })?;
                Ok(found.then_some(value))
            }
            _ => Ok(None),
        }
    }
}
