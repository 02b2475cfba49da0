//! Devices that share programs and maps: each is a zone, and what is told of packets is told by zone.

use crate::{atomic::Word64, counter::COUNTERS};

/// Most zones of one datapath.
pub const MAX_ZONES: u32 = 4096;

/// Zones in a word of the map that says where the reaper has something to send.
pub const ZONES_PER_WORD: u32 = u64::BITS;

/// Words of that map.
pub const DUE_WORDS: u32 = MAX_ZONES / ZONES_PER_WORD;

/// Zones in which connections wait for their RSTs, one bit each: a walk through all zones cannot send them, because they
/// have to come in on a device of the zone.
pub type Due = Word64;

/// The index into the counters map.
#[inline(always)]
#[must_use]
pub const fn counter_index(zone: u16, number: u32) -> u32 {
    zone as u32 * COUNTERS + number
}

/// A program to go on with; its place in the map of programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Continuation {
    /// What is not about an open connection.
    Connect = 0,
    /// ICMP errors, and what else comes after that.
    Report = 1,
    /// The first of all, for devices that share it.
    Ingress = 2,
    /// The one at the outer end, for devices that share it.
    Outer = 3,
    /// The one that learns next hops, for devices that share it.
    Learn = 4,
    /// What opens a connection at the outer end.
    OuterConnect = 5,
}

/// Places of the map of programs.
pub const PROGRAM_PLACES: u32 = 6;

/// What the reaper is to walk through; in the second word of the control block of its frame, the zone in the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Walk {
    /// Everything, and no connection is ended that has to be told.
    Everything = 0,
    /// One zone.
    Zone = 1,
}
