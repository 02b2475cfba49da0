//! A pool as it is served.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::datapath::Hook;

/// What has to be known of a pool that is served, beside its maps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Layout of the pinned maps ([`lb_common::state::LAYOUT_VERSION`]).
    pub layout: u32,
    /// The pool as qlb YAML.
    pub pool: String,
    /// Name of the namespace; empty for the one the controller was started in.
    pub namespace: String,
    /// Number of the namespace, which tells it from another one of the same name.
    pub netns: u64,
    /// The VIP's device, by the name it had.
    pub device: String,
    /// Index of the device, which stays when it is renamed.
    pub ifindex: u32,
    /// How the program is attached; none while that is under way.
    pub hook: Option<Hook>,
    /// Whether an XDP program stands in front of it. Older records have none and say nothing.
    #[serde(default)]
    pub xdp: bool,
    /// Lowest and highest NAT port.
    pub ports: (u16, u16),
    /// Every member that has an index in the maps, in the order of the indexes' allocation.
    pub members: Vec<MemberRecord>,
}

/// A member and its index in the maps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberRecord {
    /// Index in the maps.
    pub index: u32,
    /// The member's id.
    pub id: String,
    /// Where it is, for reports after its removal.
    pub endpoint: SocketAddr,
    /// Whether it is no longer of the pool; it may still have connections.
    pub removed: bool,
    /// Whether its monitor, or an operator in its place, found it down.
    #[serde(default)]
    pub down: bool,
    /// Whether it was up when the pool was last changed.
    pub up: bool,
    /// When its slow start began, in milliseconds since the machine started; none if it is over.
    pub up_since: Option<u64>,
    /// The part of its share that it has, in sixteenths.
    pub share: u32,
    /// Tells it from other members that had the same index ([`lb_common::state::Identity`]).
    /// Records of layout 1 have none; they are refused by their layout.
    #[serde(default)]
    pub incarnation: u32,
}
