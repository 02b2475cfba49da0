//! The network node: its namespaces, devices, mounts and port ranges.

mod advert;
mod announce;
mod clock;
mod device;
mod ear;
mod error;
mod feature;
mod filter;
mod message;
mod mount;
mod netlink;
mod netns;
mod news;
mod peer;
mod ports;
mod process;
mod router;
mod site;

pub use announce::{Spot, Told};
pub use clock::clock;
pub use device::{Device, Way, device_mac, device_name, find_device, ways_to};
pub use ear::Ear;
pub use error::NodeError;
pub use feature::{Features, GRO, RX_VLAN, TX_CHECKSUM, TX_VLAN};
pub use filter::{has_filter, remove_empty_clsact, root_qdisc};
pub use mount::{enter_root_mounts, mount_bpffs, unmount_bpffs};
pub use netns::{Place, called_in, enter_root_network};
pub use news::News;
pub use peer::{Peer, find_peer};
pub use ports::nat_ports;
pub use process::{is_haproxy, start_of};
pub use router::{forwarding, forwards};
pub use site::{Site, locate};
