//! Whether a device routes.

use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;

use super::NodeError;

/// The setting that lets a namespace forward what comes in by a device, in the family of this address; as
/// sysctl(8) has it, with a slash for a dot in the device's name.
#[must_use]
pub fn forwarding(device: &str, address: IpAddr) -> String {
    format!("net.{}.conf.{}.forwarding", family(address), device.replace('.', "/"))
}

/// Whether what comes in on a device of the current namespace may be forwarded in the family of this address. Without it the kernel tells
/// XDP programs no next hops.
///
/// # Errors
/// When the setting cannot be read.
pub fn forwards(device: &str, address: IpAddr) -> Result<bool, NodeError> {
    let path = PathBuf::from(format!("/proc/sys/net/{}/conf/{device}/forwarding", family(address)));
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text.trim() != "0"),
        Err(source) => Err(NodeError::Read { path, source }),
    }
}

/// The family's name among the kernel's settings.
const fn family(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "ipv4" } else { "ipv6" }
}
