//! Datagrams that come in fragments: only the first one has ports, so it is written down for the others which
//! connection they are of.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{
    addr::{Addr, Tuple},
    be::Be16,
    state::FlowKey,
    wire::{Datagram, Fragment},
};

/// Datagrams that are remembered at a time; the one that nothing was heard of for longest makes room. They are
/// apart from connections, which no flood of fragments can push out.
pub const MAX_FRAGMENTED: u32 = 16_384;

/// Places for the last identification that was given to one; addresses with the same hash share a place.
pub const ID_PLACES: u32 = 256;

/// How long one is remembered, in nanoseconds: as long as a receiver waits for the rest of it. Linux's
/// `ipfrag_time`.
const V4_LIFETIME: u64 = 30_000_000_000;

/// The same in IPv6 (RFC 8200 section 4.5).
const V6_LIFETIME: u64 = 60_000_000_000;

/// What the fragments of one datagram have in common.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct FragmentKey {
    /// Source address.
    pub src: Addr,
    /// Destination address.
    pub dst: Addr,
    /// Identification, in host order.
    pub id: u32,
    /// As in [`FlowKey::zone`].
    pub zone: u16,
    /// IP protocol number; zero in IPv6, where later fragments need not know it (RFC 8200 section 4.5).
    pub protocol: u8,
    /// Always zero.
    pub reserved: u8,
}

impl FragmentKey {
    /// The key of a fragment between these addresses.
    #[inline(always)]
    pub const fn new(src: Addr, dst: Addr, fragment: &Fragment, zone: u16, protocol: u8) -> Self {
        let protocol = if src.is_v4() { protocol } else { 0 };
        Self { src, dst, id: fragment.id, zone, protocol, reserved: 0 }
    }

    /// The key of a datagram that is one.
    #[inline(always)]
    pub const fn of(datagram: &Datagram, zone: u16) -> Self {
        let Datagram { src, dst, fragment, protocol, .. } = datagram;
        Self::new(*src, *dst, fragment, zone, *protocol)
    }
}

/// A datagram whose first fragment was forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Fragmented {
    /// Until when it is remembered, in nanoseconds of monotonic time.
    pub until: u64,
    /// The identification that its fragments go on with.
    pub id: u32,
    /// Source port.
    pub sport: Be16,
    /// Destination port.
    pub dport: Be16,
    /// IP protocol number.
    pub protocol: u8,
    /// Always zero.
    pub reserved: [u8; 7],
}

const _: () = assert!(size_of::<FragmentKey>() == 40 && size_of::<Fragmented>() == 24);

impl Fragmented {
    /// A datagram of the connection with this key, remembered from `now` on.
    #[inline(always)]
    pub const fn new(flow: &FlowKey, id: u32, now: u64) -> Self {
        let FlowKey { tuple, protocol, .. } = flow;
        let lifetime = if tuple.src.is_v4() { V4_LIFETIME } else { V6_LIFETIME };
        Self {
            until: now + lifetime,
            id,
            sport: tuple.sport,
            dport: tuple.dport,
            protocol: *protocol,
            reserved: [0; 7],
        }
    }

    /// Key of the connection that fragments with `key` are of.
    #[inline(always)]
    pub const fn flow(&self, key: &FragmentKey) -> FlowKey {
        let tuple = Tuple { src: key.src, dst: key.dst, sport: self.sport, dport: self.dport };
        FlowKey::new(tuple, key.zone, self.protocol)
    }
}
