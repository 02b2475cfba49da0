//! Whom a packet to an address is sent to, as the kernel did it last.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{addr::Addr, atomic::Word64};

/// Destinations whose next hop is remembered at a time; the one that was used least recently makes room.
pub const NEXT_HOPS: u32 = 16_384;

/// Where packets are to go.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct HopKey {
    /// The destination in their IP headers.
    pub address: Addr,
    /// As in [`crate::state::FlowKey::zone`].
    pub zone: u32,
}

impl HopKey {
    /// The key of packets to `address` from the device of this zone.
    #[inline(always)]
    pub const fn new(address: Addr, zone: u16) -> Self {
        Self { address, zone: zone as u32 }
    }
}

/// The MAC addresses of the last packet to a destination that left by the VIP's device: what the kernel's routes and
/// neighbours said then. All zero until there was one.
#[derive(Debug, Default, FromBytes, IntoBytes, KnownLayout)]
#[repr(C)]
pub struct NextHop {
    /// MAC address of the next hop ([`mac_word`]).
    pub to: Word64,
    /// MAC address of the VIP's device ([`mac_word`]).
    pub from: Word64,
    /// When that was, in nanoseconds of monotonic time; zero for never.
    pub learned: Word64,
    /// When a packet was last let go the kernel's way to learn anew, in nanoseconds of monotonic time.
    pub asked: Word64,
}

const _: () = assert!(size_of::<HopKey>() == 20 && size_of::<NextHop>() == 32);

/// A MAC address in one word, which is stored and read at once: its first byte is the lowest.
#[inline(always)]
#[must_use]
pub const fn mac_word(mac: [u8; 6]) -> u64 {
    let [a, b, c, d, e, f] = mac;
    u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
}
