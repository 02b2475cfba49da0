//! What a device does for its senders and receivers, by the names that `ethtool -k` prints in its longer lists
//! (linux/ethtool_netlink.h, kernel 5.7). Everything here is about the current namespace.

use std::collections::HashSet;
use std::io;

use nix::sys::socket::SockProtocol;

use super::NodeError;
use super::message::{ask, attribute, attributes, find, word};

/// Bytes of `struct genlmsghdr`; the controller's type, its command and attributes (linux/genetlink.h).
const GENERIC: usize = 4;
const CONTROLLER: u16 = 16;
const GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;

/// `ETHTOOL_MSG_FEATURES_GET` and its attributes (linux/ethtool_netlink_generated.h).
const FEATURES_GET: u8 = 11;
const FEATURES_HEADER: u16 = 1;
const HEADER_DEV_INDEX: u16 = 1;
/// `NLA_F_NESTED` of linux/netlink.h, which this family insists on.
const NESTED: u16 = 1 << 15;
const FEATURES_ACTIVE: u16 = 4;
const BITSET_BITS: u16 = 3;
const BIT_NAME: u16 = 2;

/// Of a device that sends: checksums are left to it. On a veth its peer receives them unfinished.
pub const TX_CHECKSUM: &str = "tx-checksum-ip-generic";
/// Of a device that sends: VLAN tags are left to it. The peer of a veth does not find them in the frame.
pub const TX_VLAN: &str = "tx-vlan-hw-insert";
/// Of a device that receives: VLAN tags are taken off.
pub const RX_VLAN: &str = "rx-vlan-hw-parse";
/// Of a device that receives: packets are put together, for which a veth polls its queue (NAPI).
pub const GRO: &str = "rx-gro";

/// The features of a device that are on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Features(HashSet<String>);

impl Features {
    /// Those of the device with this index.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn of(index: u32) -> Result<Self, NodeError> {
        Self::ask(index).map_err(|source| NodeError::Features { index, source })
    }

    /// Whether this one is on.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    fn ask(index: u32) -> io::Result<Self> {
        let incomplete = || io::Error::from(io::ErrorKind::InvalidData);
        let family = generic(CONTROLLER, GET_FAMILY, &attribute(FAMILY_NAME, b"ethtool\0"))?;
        let family = find(&family, FAMILY_ID).and_then(|id| word(id, 0)).ok_or_else(incomplete)?;
        let device = attribute(HEADER_DEV_INDEX, &index.to_ne_bytes());
        let answer = generic(family, FEATURES_GET, &attribute(FEATURES_HEADER | NESTED, &device))?;
        let active = find(&answer, FEATURES_ACTIVE).ok_or_else(incomplete)?;
        Ok(Self::active(active))
    }

    /// The names in a list of what is on (`ETHTOOL_A_BITSET_NOMASK`).
    fn active(bitset: &[u8]) -> Self {
        let bits = find(bitset, BITSET_BITS).unwrap_or_default();
        let names = attributes(bits).filter_map(|(_, bit)| find(bit, BIT_NAME));
        let text = |name: &[u8]| String::from_utf8_lossy(name).trim_end_matches('\0').to_owned();
        Self(names.map(text).collect())
    }
}

/// Asks a family of generic netlink; returns the attributes of its answer.
fn generic(family: u16, command: u8, body: &[u8]) -> io::Result<Vec<u8>> {
    let message = [[command, 1, 0, 0].as_slice(), body].concat();
    let mut answer = ask(SockProtocol::NetlinkGeneric, family, &message)?;
    Ok(answer.split_off(GENERIC.min(answer.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_what_is_on() {
        let bit = |name: &[u8]| attribute(1, &attribute(BIT_NAME, name));
        let bits = [bit(b"rx-gro\0"), bit(b"tx-vlan-hw-insert\0")].concat();
        let features = Features::active(&attribute(BITSET_BITS, &bits));
        assert!(features.has(GRO) && features.has(TX_VLAN) && !features.has(TX_CHECKSUM));
        assert_eq!(Features::active(&[]), Features::default());
    }

    #[test]
    fn the_loopback_device_computes_no_checksums() {
        assert!(Features::of(1).unwrap().has(TX_CHECKSUM));
        assert!(Features::of(u32::MAX).is_err());
    }
}
