//! Members: how busy they are, and what they have done.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{
    atomic::{Word32, Word64},
    verdict::Direction,
};

/// How busy a member is. Outlives every change of its pool.
#[derive(Debug, Default, FromBytes, IntoBytes, KnownLayout)]
#[repr(C)]
pub struct Load {
    /// Connections that are opening, established or closing.
    pub active: Word32,
    /// Average time to accept a connection, in microseconds; zero if nobody measured it.
    pub response: Word32,
    /// When `active` last changed, in the pool's own time ([`crate::state::Cursor::stamp`]): the tie
    /// between equally loaded members goes to the one that has waited longest.
    pub stamp: Word64,
    /// Until when the member is ejected for having failed connections, in nanoseconds of monotonic
    /// time; zero if it never was, or was let back in. Only [`crate::schedule`] writes it.
    pub out_until: Word64,
    /// When `response` was last measured, in nanoseconds of monotonic time.
    pub measured: Word64,
    /// Where the member stands among those of a pool that goes by response times; zero if it never was of such a pool. Only
    /// [`crate::schedule`] reads and writes it.
    pub standing: Word64,
    /// Connections in a row that the member did not accept.
    pub failures: Word32,
    /// Always zero.
    pub reserved: Word32,
}

/// What a member has done since the datapath was loaded. Each CPU counts for itself.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct MemberStats {
    /// Connections given to the member.
    pub connections: u64,
    /// Packets sent to the member; a GSO packet counts once.
    pub packets_in: u64,
    /// Packets of the member sent to clients; a GSO packet counts once.
    pub packets_out: u64,
    /// Payload bytes sent to the member.
    pub bytes_in: u64,
    /// Payload bytes of the member sent to clients.
    pub bytes_out: u64,
    /// Connections that it did not accept: refused, unreachable, or silent.
    pub failed: u64,
}

impl MemberStats {
    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            connections: self.connections.wrapping_add(other.connections),
            packets_in: self.packets_in.wrapping_add(other.packets_in),
            packets_out: self.packets_out.wrapping_add(other.packets_out),
            bytes_in: self.bytes_in.wrapping_add(other.bytes_in),
            bytes_out: self.bytes_out.wrapping_add(other.bytes_out),
            failed: self.failed.wrapping_add(other.failed),
        }
    }

    /// Adds a packet with `payload` bytes.
    #[inline(always)]
    pub const fn add(&mut self, direction: Direction, payload: u32) {
        match direction {
            Direction::ToMember => {
                self.packets_in += 1;
                self.bytes_in += payload as u64;
            }
            Direction::ToClient => {
                self.packets_out += 1;
                self.bytes_out += payload as u64;
            }
        }
    }
}

const _: () = assert!(size_of::<Load>() == 48 && size_of::<MemberStats>() == 48);
