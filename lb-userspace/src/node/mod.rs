//! The network node: its namespaces, devices, mounts and port ranges.

mod device;
mod ear;
mod error;
mod feature;
mod filter;
mod message;
mod mount;
mod netlink;
mod netns;
mod peer;
mod ports;
mod router;
mod site;

pub use device::{Device, Way, device_mac, device_name, find_device, ways_to};
pub use ear::Ear;
pub use error::NodeError;
pub use feature::{Features, GRO, RX_VLAN, TX_CHECKSUM, TX_VLAN};
pub use filter::{has_filter, remove_empty_clsact};
pub use mount::{enter_root_mounts, mount_bpffs, unmount_bpffs};
pub use netns::Place;
pub use peer::{Peer, find_peer};
pub use ports::nat_ports;
pub use router::{forwarding, forwards};
pub use site::{Site, locate};
