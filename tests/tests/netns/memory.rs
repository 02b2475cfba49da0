//! What a map costs.

use std::fs;
use std::os::fd::{AsFd as _, AsRawFd as _};

use aya::maps::MapData;

use crate::bench::pins;

/// A pinned map of a pool.
pub(crate) struct Memory(MapData);

impl Memory {
    pub(crate) fn of(pool: &str, map: &str) -> Self {
        Self(MapData::from_pin(pins(pool).join(map)).unwrap())
    }

    /// Bytes that the kernel holds for the map at this moment. For one that grows with use it follows every entry, exactly
    /// (linux/kernel/bpf/hashtab.c, `htab_map_mem_usage`).
    pub(crate) fn used(&self) -> u64 {
        let fd = self.0.fd().as_fd().as_raw_fd();
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap();
        let line = info.lines().find_map(|line| line.strip_prefix("memlock:"));
        line.and_then(|bytes| bytes.trim().parse().ok()).unwrap_or_else(|| panic!("{info}"))
    }
}
