//! Ports of the namespace.

use std::fs;
use std::io;
use std::path::Path;

use super::NodeError;

/// Ports below belong to services.
const LOWEST: u16 = 1024;

/// The NAT ports of the current namespace: the larger of the two ranges beside its local
/// ports. The namespace's own connections (health probes above all) use the VIP as their source
/// too, so a port that both could use would be answered to the wrong one.
///
/// # Errors
/// When the local port range cannot be read, or leaves nothing.
pub fn nat_ports(namespace: &str) -> Result<(u16, u16), NodeError> {
    let path = Path::new("/proc/sys/net/ipv4/ip_local_port_range");
    let failed = |source| NodeError::Read { path: path.to_owned(), source };
    let text = fs::read_to_string(path).map_err(failed)?;
    let (low, high) = parse(&text)
        .ok_or_else(|| failed(io::Error::new(io::ErrorKind::InvalidData, text.trim())))?;
    beside(low, high).ok_or_else(|| NodeError::NoNatPorts {
        namespace: namespace.to_owned(),
        low,
        high,
    })
}

fn parse(text: &str) -> Option<(u16, u16)> {
    let (low, high) = text.trim().split_once(char::is_whitespace)?;
    Some((low.trim().parse().ok()?, high.trim().parse().ok()?))
}

fn beside(low: u16, high: u16) -> Option<(u16, u16)> {
    let below = low.checked_sub(1).filter(|last| *last >= LOWEST).map(|last| (LOWEST, last));
    let above = high.checked_add(1).map(|first| (first.max(LOWEST), u16::MAX));
    [below, above].into_iter().flatten().max_by_key(|(first, last)| last - first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_default_leaves_the_ports_below() {
        assert_eq!(parse("32768\t60999\n"), Some((32768, 60999)));
        assert_eq!(beside(32768, 60999), Some((1024, 32767)));
    }

    #[test]
    fn a_low_range_leaves_the_ports_above() {
        assert_eq!(beside(1024, 9999), Some((10000, 65535)));
        assert_eq!(beside(1, 600), Some((1024, 65535)));
    }

    #[test]
    fn a_full_range_leaves_nothing() {
        assert_eq!(beside(1024, 65535), None);
        assert_eq!(parse("1024"), None);
    }
}
