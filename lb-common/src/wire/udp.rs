//! UDP (RFC 768).

use core::mem::offset_of;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{addr::Addr, be::Be16};

/// A UDP header.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Udp {
    /// Source port.
    pub sport: Be16,
    /// Destination port.
    pub dport: Be16,
    len: Be16,
    checksum: Be16,
}

impl Udp {
    /// The header of an empty datagram of ours, between two ports, with a checksum that is none but is there.
    pub const fn empty((sport, dport): (Be16, Be16)) -> Self {
        Self { sport, dport, len: Be16::new(Self::LEN as u16), checksum: Be16::new(u16::MAX) }
    }

    /// Bytes the header takes.
    pub const LEN: usize = size_of::<Self>();
    /// Where the checksum lies, from the start of the header.
    pub const CHECKSUM: usize = offset_of!(Self, checksum);

    /// Whether the sender has computed no checksum. A sum of zero is sent as all ones.
    #[inline(always)]
    pub const fn lacks_checksum(&self) -> bool {
        self.checksum.raw() == 0
    }

    /// Bytes of payload in a datagram from `src` of which `room` bytes are there, header included; `None`
    /// if it cannot be.
    ///
    /// What lies behind the length of its own does not belong to it. One without a checksum is none in IPv6
    /// (RFC 8200 section 8.1).
    #[inline(always)]
    pub const fn payload(&self, src: Addr, room: usize) -> Option<usize> {
        let len = self.len.get() as usize;
        if len > room || (self.lacks_checksum() && !src.is_v4()) {
            return None;
        }
        len.checked_sub(Self::LEN)
    }
}

const _: () = assert!(Udp::LEN == 8 && Udp::CHECKSUM == 6);
