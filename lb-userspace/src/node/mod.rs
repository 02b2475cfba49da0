//! The network node: its namespaces, devices, mounts and port ranges.

mod device;
mod error;
mod filter;
mod mount;
mod netlink;
mod netns;
mod ports;
mod site;

pub use device::{Device, Way, device_mac, device_name, ways_to};
pub use error::NodeError;
pub use filter::{has_filter, remove_empty_clsact};
pub use mount::{enter_root_mounts, mount_bpffs, unmount_bpffs};
pub use netns::Place;
pub use ports::nat_ports;
pub use site::{Site, locate};
