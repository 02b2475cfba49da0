//! What a map costs.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

/// Bytes that the kernel holds for a map at this moment. For one that grows with use it follows every entry, exactly
/// (linux/kernel/bpf/hashtab.c, `htab_map_mem_usage`).
///
/// # Errors
/// When the descriptor is none of a map.
pub fn of_map(map: BorrowedFd<'_>) -> io::Result<u64> {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", map.as_raw_fd()))?;
    let line = info.lines().find_map(|line| line.strip_prefix("memlock:"));
    let bytes = line.and_then(|bytes| bytes.trim().parse().ok());
    bytes.ok_or_else(|| io::Error::other(format!("no map: {info}")))
}
