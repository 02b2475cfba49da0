//! Keys and values of the BPF maps.
//!
//! Each is `repr(C)` without padding (the zerocopy derives prove it at compile time)
//! and holds no Rust enum, so that any bytes found in a map are a valid value.
//! What changes after an entry is published is atomic.

mod admission;
mod budget;
mod drain;
mod event;
mod flow;
mod fragmented;
mod half_open;
mod member;
mod next_hop;
mod phase;
mod pool;
mod port;
mod sticky;
mod vip;
mod zone;

pub use admission::{Admission, AllowedNet, Overflow, VipLoad};
pub use budget::{Budget, ERROR_COST, ERROR_CREDIT};
pub use drain::{Drain, DrainCause};
pub use event::{EVENT_RING, End, Event, Happening, NOBODY};
pub(crate) use flow::LEAP;
pub use flow::{Flow, FlowKey};
pub use fragmented::{FragmentKey, Fragmented, ID_PLACES, MAX_FRAGMENTED};
pub use half_open::{HALF_OPEN, HalfOpen};
pub use member::{Load, MemberStats};
pub use next_hop::{HopKey, NEXT_HOPS, NextHop, mac_word};
pub use phase::{Phase, PhaseBits, State};
pub use pool::{
    Cursor, MAX_MEMBERS, MAX_POOLS, MAX_SNAT, MEMBER_INDEXES, Method, Mode, Node, PartKey, Pool,
    Slot, TICKETS, Timers, WEIGHT_ONE,
};
pub use port::{PortBlock, PortKey, Rest};
pub use sticky::{Identity, MAX_STICKY, Persistence, Sticky, StickyKey};
pub use vip::{Vip, VipKey};
pub use zone::{
    Continuation, DUE_WORDS, Due, MAX_ZONES, PROGRAM_PLACES, Walk, ZONES_PER_WORD, counter_index,
};

/// Version of everything in this module; pinned maps of another version are not used.
pub const LAYOUT_VERSION: u32 = 10;
