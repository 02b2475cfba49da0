//! The network node: its namespaces, devices, mounts and port ranges.

mod device;
mod error;
mod mount;
mod netns;
mod ports;

pub use device::{Device, find_device, has_filter, remove_clsact};
pub use error::NodeError;
pub use mount::{enter_root_mounts, mount_bpffs, unmount_bpffs};
pub use netns::{Place, locate};
pub use ports::nat_ports;
