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
    /// Index of the pool in the maps, which it shares with the other pools at its device, at least.
    #[serde(default)]
    pub index: u32,
    /// When it got that, in nanoseconds of monotonic time.
    #[serde(default)]
    pub since: u64,
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
    /// What lets packets go by without coming to the device, at its outer end. Older records have none.
    #[serde(default)]
    pub outer: Option<Outer>,
    /// Whether its device shares programs and maps with others of the node.
    #[serde(default)]
    pub shared: bool,
    /// Zone of its device in maps that devices share; zero in those of its own.
    #[serde(default)]
    pub zone: u16,
    /// Lowest and highest NAT port.
    pub ports: (u16, u16),
    /// What members did that have no index any more. Older records have none.
    #[serde(default)]
    pub past: Past,
    /// Every member that has an index in the maps, in the order of the indexes' allocation.
    pub members: Vec<MemberRecord>,
}

impl Record {
    /// The index of a pool that has no place in the maps yet. What goes wrong until it has one is undone by this record,
    /// and no other pool has this index.
    pub const NOT_YET: u32 = u32::MAX;

    /// Whether the pool has a place in the maps.
    pub const fn has_index(&self) -> bool {
        self.index != Self::NOT_YET
    }

    /// What stands before the program at the device, as reports have it before the name of its hook.
    pub const fn front(&self) -> &'static str {
        match (self.xdp, &self.outer) {
            (true, _) => "xdp+",
            (false, Some(_)) => "host+",
            (false, None) => "",
        }
    }

    /// Whether another pool is served at the same device.
    pub fn is_beside(&self, other: &Self) -> bool {
        (self.netns, self.ifindex) == (other.netns, other.ifindex)
    }

    /// Whether another pool is served by the same programs and maps.
    pub fn has_maps_of(&self, other: &Self) -> bool {
        self.is_beside(other) || (self.shared && other.shared)
    }
}

/// The programs that let packets go by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outer {
    /// Name of the namespace of the outer end; empty for the one the controller was started in.
    pub namespace: String,
    /// Number of that namespace.
    pub netns: u64,
    /// The outer end, by the name it had.
    pub device: String,
    /// Its index.
    pub ifindex: u32,
    /// How the program is attached there.
    pub hook: Hook,
    /// How the one that learns next hops is attached to the VIP's device.
    pub learner: Hook,
}

/// What members did that are forgotten, so that the sums of a pool never shrink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Past {
    /// Connections that they did not accept.
    pub failed: u64,
    /// Payload bytes sent to them.
    pub bytes_in: u64,
    /// Payload bytes that they sent to clients.
    pub bytes_out: u64,
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
    /// Whether an operator has said how it is: its monitors are not asked until they are told to be again.
    #[serde(default)]
    pub forced: bool,
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
