//! What the object is specialised to when it is loaded.

use lb_common::counter::COUNTERS;
use lb_common::state::{HALF_OPEN, MEMBER_INDEXES};

/// Limits of the maps, and constants of the programs.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Most conntrack entries; a connection takes two.
    pub max_flows: u32,
    /// Places for half-open connections; a power of two.
    pub half_open: u32,
    /// Whether the XDP program sends by a redirect to its own device and not by XDP_TX.
    pub redirects: bool,
    /// In how many nanoseconds, as a power of two, each direction of a connection leaves a packet to the TC program so
    /// that the kernel confirms the neighbour.
    pub confirm: u32,
    /// Destinations whose next hops may be remembered, for packets that are forwarded at the outer end of a veth.
    pub next_hops: u32,
    /// Devices that may share the programs and maps, zones; one for a device that has them to itself.
    pub zones: u32,
    /// Members that have an index at a time; below 65,535.
    pub members: u32,
}

/// A second, more or less: the kernel wants a neighbour confirmed in 30 s, and gives up on one in 8.
const CONFIRM: u32 = 30;

/// Devices that may share programs and maps. Each takes a kilobyte for counters on each CPU, whether it is there or not.
const ZONES: u32 = 2_048;
/// What those have together, besides connections.
const NODE_HALF_OPEN: u32 = 32_768;
const NODE_MEMBERS: u32 = 32_768;
const NODE_NEXT_HOPS: u32 = 65_536;
/// What they want more of than the object has for one alone: the largest sets of members, orders, trees, clients.
const NODE_MAPS: [(&str, u32); 5] = [
    ("SLOTS", 65_536),
    ("SEATS", 65_536),
    ("TICKS", 1_048_576),
    ("NODES", 131_072),
    ("STICKY", 65_536),
];

impl Options {
    /// Room for so many connections, at one device.
    pub const fn for_connections(most: u32) -> Self {
        Self {
            max_flows: most.saturating_mul(2),
            half_open: HALF_OPEN,
            redirects: false,
            confirm: CONFIRM,
            next_hops: 1,
            zones: 1,
            members: MEMBER_INDEXES,
        }
    }

    /// Connections that devices have together, if nobody says otherwise.
    pub const NODE_CONNECTIONS: u32 = 524_288;

    /// Room for so many connections, at all the devices of a node together.
    pub const fn for_node(most: u32) -> Self {
        Self {
            half_open: NODE_HALF_OPEN,
            next_hops: NODE_NEXT_HOPS,
            zones: ZONES,
            members: NODE_MEMBERS,
            ..Self::for_connections(most)
        }
    }

    /// Most entries of maps, by name; the object says what is true of the others.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'static str, u32)> {
        let own = [
            ("COUNTERS", self.zones * COUNTERS),
            ("FLOWS", self.max_flows),
            ("PORTS", self.port_blocks()),
            ("HALF_OPENS", self.half_open),
            ("NEXT_HOPS", self.next_hops),
        ];
        let members = ["LOADS", "DRAINS", "MEMBERS", "MEMBER_STATS"];
        let members = members.map(|name| (name, self.members));
        let node = self.is_zoned().then_some(NODE_MAPS);
        own.into_iter().chain(members).chain(node.into_iter().flatten())
    }

    /// Room for blocks of NAT ports: one for each connection, should no two be in the same.
    pub const fn port_blocks(&self) -> u32 {
        if self.max_flows < 2 { 1 } else { self.max_flows / 2 }
    }

    /// Whether frames come with the zone of their device.
    pub const fn is_zoned(&self) -> bool {
        self.zones > 1
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::for_connections(65_536)
    }
}
