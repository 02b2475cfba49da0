//! Who may connect to a listener, and how many at a time.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{
    addr::Addr,
    atomic::{Atomics, Word32},
};

/// What becomes of a new connection that is one too many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u32)]
pub enum Overflow {
    /// Its SYN is dropped; the client sends it again, as it would wait in HAProxy's backlog
    /// (`maxconn`, HAProxy configuration manual, section 4.2).
    #[default]
    Drop = 0,
    /// It is refused at once.
    Reset = 1,
}

/// What a listener asks of a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Admission {
    /// Most active connections; [`Admission::UNLIMITED`] for no limit.
    pub limit: u32,
    /// An [`Overflow`] as its number.
    pub overflow: u32,
    /// Zero to serve every client; else those of the networks with this generation
    /// ([`AllowedNet`]).
    pub restricted: u32,
    /// Names the networks that belong to this version of the listener.
    pub generation: u32,
}

impl Admission {
    /// The limit of a listener that has none.
    pub const UNLIMITED: u32 = u32::MAX;
    /// Everybody is served.
    pub const OPEN: Self = Self {
        limit: Self::UNLIMITED,
        overflow: Overflow::Drop as u32,
        restricted: 0,
        generation: 0,
    };
}

/// The connections of a pool's listener. Outlives every change of the pool.
#[derive(Debug, Default, FromBytes, IntoBytes, KnownLayout)]
#[repr(C)]
pub struct VipLoad {
    /// Connections that are opening, established or closing: the sum over the members, plus those
    /// for which a member is just being chosen.
    pub active: Word32,
}

impl VipLoad {
    /// Counts one more connection, unless that were more than `limit`.
    ///
    /// It is counted before it is compared, so the limit is never exceeded; two CPUs that meet at
    /// the last free place may both be turned away.
    #[inline(always)]
    pub fn enter(&self, atomics: &impl Atomics, limit: u32) -> bool {
        let admitted = atomics.add32(&self.active, 1) < limit;
        if !admitted {
            self.leave(atomics);
        }
        admitted
    }

    /// Takes a connection out of the count that [`VipLoad::enter`] has counted.
    #[inline(always)]
    pub fn leave(&self, atomics: &impl Atomics) {
        atomics.add32(&self.active, u32::MAX);
    }
}

/// An address of an allowed network in a longest-prefix table; the same as a network with
/// [`AllowedNet::prefix`].
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct AllowedNet {
    /// Index of the pool.
    pub pool: u32,
    /// [`Admission::generation`].
    pub generation: u32,
    /// The address; the bits behind the prefix are zero in a network's.
    pub address: Addr,
}

impl AllowedNet {
    /// Bits of the whole key, for looking up an address.
    pub const BITS: u32 = Self::prefix(Addr::BITS);

    /// Bits of the key that count in a network whose address has a prefix of `bits`.
    pub const fn prefix(bits: u32) -> u32 {
        64 + bits
    }
}

const _: () = assert!(size_of::<Admission>() == 16 && size_of::<AllowedNet>() == 24);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::HostTables;

    #[test]
    fn a_limit_is_reached_and_not_exceeded() {
        let (load, tables) = (VipLoad::default(), HostTables::default());
        assert!(!load.enter(&tables, 0));
        assert!(load.enter(&tables, 2) && load.enter(&tables, 2));
        assert!(!load.enter(&tables, 2));
        assert_eq!(load.active.get(), 2);
        load.leave(&tables);
        assert!(load.enter(&tables, 2));
        assert!(load.enter(&tables, Admission::UNLIMITED));
        assert_eq!(load.active.get(), 3);
    }
}
