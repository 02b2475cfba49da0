//! Whether a device routes.

use std::fs;
use std::path::PathBuf;

use super::NodeError;

/// Whether what comes in on a device of the current namespace may be forwarded. Without it the kernel tells
/// XDP programs no next hops.
///
/// # Errors
/// When the setting cannot be read.
pub fn forwards(device: &str) -> Result<bool, NodeError> {
    let path = PathBuf::from(format!("/proc/sys/net/ipv4/conf/{device}/forwarding"));
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text.trim() != "0"),
        Err(source) => Err(NodeError::Read { path, source }),
    }
}
