//! Listeners.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{
    addr::Addr,
    be::Be16,
    state::{Admission, Persistence},
};

/// Where a listener listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct VipKey {
    /// The VIP.
    pub address: Addr,
    /// The port.
    pub port: Be16,
    /// As in [`crate::state::FlowKey::zone`].
    pub zone: u16,
    /// IP protocol number.
    pub protocol: u8,
    /// Always zero.
    pub reserved: [u8; 3],
}

impl VipKey {
    /// The key of the listener at `address` and `port`.
    #[inline(always)]
    pub const fn new(address: Addr, port: Be16, zone: u16, protocol: u8) -> Self {
        Self { address, port, zone, protocol, reserved: [0; 3] }
    }
}

/// What a listener does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Vip {
    /// Index of the pool that takes new connections.
    pub pool: u32,
    /// Zero when the VIP or its pool is administratively down: new connections are refused.
    pub enabled: u32,
    /// Whom it serves.
    pub admission: Admission,
    /// How clients are kept on their members.
    pub persistence: Persistence,
}

const _: () = assert!(size_of::<VipKey>() == 24 && size_of::<Vip>() == 56);
