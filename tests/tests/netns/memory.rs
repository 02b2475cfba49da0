//! What a map costs.

use std::os::fd::AsFd as _;

use aya::maps::MapData;
use lb_tests::memory::of_map;

use crate::bench::pins;

/// A pinned map of a pool.
pub(crate) struct Memory(MapData);

impl Memory {
    pub(crate) fn of(pool: &str, map: &str) -> Self {
        Self(MapData::from_pin(pins(pool).join(map)).unwrap())
    }

    /// Bytes that the kernel holds for the map at this moment.
    pub(crate) fn used(&self) -> u64 {
        of_map(self.0.fd().as_fd()).unwrap()
    }
}
