//! What can be wrong with a network node.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use nix::errno::Errno;
use thiserror::Error;

/// Why the node cannot be read or changed.
#[derive(Debug, Error)]
pub enum NodeError {
    /// Neither the named namespace nor the current one has the VIP.
    #[error(
        "there is no namespace {namespace} in /run/netns, and no device of the current namespace has the VIP {vip}; is the pool's port plugged?"
    )]
    NoNamespace {
        /// The pool's namespace.
        namespace: String,
        /// The pool's VIP.
        vip: IpAddr,
    },
    /// The namespace has no device with the VIP.
    #[error("no device in namespace {namespace} has the VIP {vip}; is the VIP's port plugged?")]
    NoDevice {
        /// The namespace.
        namespace: String,
        /// The VIP.
        vip: IpAddr,
    },
    /// A source address of the pool is not on the VIP's device.
    #[error(
        "the source address {source_address} (snat_addresses) is not on {device}, the VIP's device in namespace {namespace},{elsewhere} so members' answers to it would not come in there; give the address to the VIP's port (Neutron: a further fixed IP), or run `ip address add {source_address}/32 dev {device}` there"
    )]
    NoSource {
        /// The address.
        source_address: IpAddr,
        /// The namespace.
        namespace: String,
        /// The VIP's device.
        device: String,
        /// On which device it is, if any, in words.
        elsewhere: String,
    },
    /// The device is administratively down.
    #[error(
        "device {device} in namespace {namespace} is down; run `ip link set {device} up` there"
    )]
    DeviceDown {
        /// The namespace.
        namespace: String,
        /// The device.
        device: String,
    },
    /// More than one device has the VIP.
    #[error(
        "the VIP {vip} is on {} and on {} in namespace {namespace}; leave it on the device that its clients come in by",
        .devices[0], .devices[1]
    )]
    SeveralDevices {
        /// The namespace.
        namespace: String,
        /// The VIP.
        vip: IpAddr,
        /// Two of them.
        devices: [String; 2],
    },
    /// The device has no Ethernet header.
    #[error(
        "the VIP {vip} is on {device} in namespace {namespace}, which is not an Ethernet device; put it on the one that its clients come in by"
    )]
    NotEthernet {
        /// The namespace.
        namespace: String,
        /// The device.
        device: String,
        /// The VIP.
        vip: IpAddr,
    },
    /// A namespace could not be entered.
    #[error("cannot enter namespace {namespace}")]
    Enter {
        /// The namespace.
        namespace: String,
        /// What netns-rs said.
        source: netns_rs::Error,
    },
    /// A netlink request failed.
    #[error("cannot {what} by netlink")]
    Netlink {
        /// What was wanted.
        what: &'static str,
        /// What the kernel said.
        source: Box<rtnetlink::Error>,
    },
    /// A frame could not be sent.
    #[error("cannot send on the device with index {index}")]
    Send {
        /// Index of the device.
        index: u32,
        /// What the kernel said.
        source: Errno,
    },
    /// A thread, runtime or socket could not be made.
    #[error("cannot start a {what}")]
    Start {
        /// What could not be started.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A file of the node could not be read, or says something else than expected.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The kernel does not tell what a device does.
    #[error("cannot read the features of the device with index {index}")]
    Features {
        /// Its index.
        index: u32,
        /// Why not.
        source: io::Error,
    },
    /// The namespace's local ports leave none for NAT.
    #[error(
        "net.ipv4.ip_local_port_range is {low} {high} in namespace {namespace}: that leaves no port for NAT; narrow it, for example to 32768 60999"
    )]
    NoNatPorts {
        /// The namespace.
        namespace: String,
        /// Lowest local port.
        low: u16,
        /// Highest local port.
        high: u16,
    },
    /// A mount could not be made or removed.
    #[error("cannot {what} at {path}")]
    Mount {
        /// What was wanted.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What the kernel said.
        source: Errno,
    },
}
