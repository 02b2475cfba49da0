//! NAT ports: which of them are taken towards a member, and which of those rest.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{
    addr::Addr,
    atomic::{Atomics, Word64},
    be::Be16,
    state::{FlowKey, PhaseBits},
};

/// Names a block of ports of one source address towards one member.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct PortKey {
    /// The address that the ports are of: the VIP or another source address of the pool.
    pub source: Addr,
    /// The member's address.
    pub member: Addr,
    /// The member's port.
    pub port: Be16,
    /// As in [`FlowKey::zone`].
    pub zone: u16,
    /// Which block: the port divided by [`PortBlock::PORTS`].
    pub block: u8,
    /// IP protocol number.
    pub protocol: u8,
    /// Always zero.
    pub reserved: u16,
}

impl PortKey {
    /// The block with the port that answers with this `key` are sent to.
    #[inline(always)]
    pub const fn of(key: &FlowKey) -> Self {
        let tuple = &key.tuple;
        Self {
            source: tuple.dst,
            member: tuple.src,
            port: tuple.sport,
            zone: key.zone,
            block: (tuple.dport.get() as u32 / PortBlock::PORTS) as u8,
            protocol: key.protocol,
            reserved: 0,
        }
    }
}

/// How a port rests: its connection is closed, its entries are still there for late segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// The member has nothing left of the connection: any SYN will do.
    Quiet,
    /// The member may keep the connection in TIME_WAIT, and takes some SYNs only.
    Waiting,
}

impl Rest {
    /// How the port of a connection rests that these facts have closed.
    #[inline(always)]
    pub const fn of(facts: PhaseBits) -> Self {
        const TIME_WAITS: PhaseBits = PhaseBits::MEMBER_FIRST.with(PhaseBits::CROSSED);
        // A RST takes its receiver out of any state; a connection whose time is over gets one of ours.
        const OURS: PhaseBits =
            PhaseBits::EXPIRED.with(PhaseBits::DRAINED).with(PhaseBits::MARKED_DOWN);
        const RESETS: PhaseBits = PhaseBits::CLIENT_RST.with(PhaseBits::MEMBER_RST).with(OURS);
        // A client that begins anew on one half of a connection has told its member nothing.
        if facts.has_any(RESETS) || !facts.has_any(TIME_WAITS.with(PhaseBits::SUPERSEDED)) {
            Self::Quiet
        } else {
            Self::Waiting
        }
    }
}

/// 512 ports, one bit each.
///
/// A port is free, taken, or taken and resting in one of two ways. Each change is one atomic
/// operation, and whoever changed the bit has the port: taking it from the free ones or from the
/// resting ones, to use it or to free it, needs no other lock.
#[derive(Debug, Default, FromBytes, IntoBytes, KnownLayout)]
#[repr(C)]
pub struct PortBlock {
    /// Ports that have a conntrack entry of the member's, or are about to have or to lose it.
    pub taken: [Word64; Self::WORDS],
    /// Taken ports that rest [`Rest::Quiet`].
    pub quiet: [Word64; Self::WORDS],
    /// Taken ports that rest [`Rest::Waiting`].
    pub waiting: [Word64; Self::WORDS],
}

const _: () = assert!(size_of::<PortKey>() == 40 && size_of::<PortBlock>() == 192);

impl PortBlock {
    /// Ports in a block.
    pub const PORTS: u32 = 64 * Self::WORDS as u32;
    /// Words of each of the bitmaps.
    pub const WORDS: usize = 8;

    /// Takes a port if it is free.
    #[inline(always)]
    pub fn take(&self, atomics: &impl Atomics, port: u32) -> bool {
        let (word, bit) = place(port);
        let taken = &self.taken[word];
        taken.get() & bit == 0 && atomics.or64(taken, bit) & bit == 0
    }

    /// Frees a port, which the caller must have and which has no entry any more.
    #[inline(always)]
    pub fn free(&self, atomics: &impl Atomics, port: u32) {
        let (word, bit) = place(port);
        atomics.and64(&self.taken[word], !bit);
    }

    /// Lays a port to rest; only for whoever closed its connection.
    #[inline(always)]
    pub fn rest(&self, atomics: &impl Atomics, port: u32, rest: Rest) {
        let (word, bit) = place(port);
        atomics.or64(&self.resting(rest)[word], bit);
    }

    /// Takes a port that rests in this way. It remains taken, now by the caller.
    #[inline(always)]
    pub fn wake(&self, atomics: &impl Atomics, port: u32, rest: Rest) -> bool {
        let (word, bit) = place(port);
        let resting = &self.resting(rest)[word];
        resting.get() & bit != 0 && atomics.and64(resting, !bit) & bit != 0
    }

    #[inline(always)]
    const fn resting(&self, rest: Rest) -> &[Word64; Self::WORDS] {
        match rest {
            Rest::Quiet => &self.quiet,
            Rest::Waiting => &self.waiting,
        }
    }
}

/// The word and the bit of a port.
#[inline(always)]
const fn place(port: u32) -> (usize, u64) {
    ((port / 64) as usize % PortBlock::WORDS, 1 << (port % 64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::HostTables;

    #[test]
    fn whoever_changes_the_bit_has_the_port() {
        let (block, tables) = (PortBlock::default(), HostTables::default());
        for port in [0, 63, 64, 511] {
            assert!(block.take(&tables, port), "{port}");
            assert!(!block.take(&tables, port), "{port} twice");
            assert!(!block.wake(&tables, port, Rest::Quiet), "{port} is in use");
            block.rest(&tables, port, Rest::Waiting);
            assert!(!block.take(&tables, port), "{port} rests");
            assert!(!block.wake(&tables, port, Rest::Quiet), "{port} rests otherwise");
            assert!(block.wake(&tables, port, Rest::Waiting), "{port}");
            assert!(!block.wake(&tables, port, Rest::Waiting), "{port} twice");
            block.free(&tables, port);
            assert!(block.take(&tables, port), "{port} again");
        }
        assert_eq!(block.taken.iter().map(|word| word.get().count_ones()).sum::<u32>(), 4);
    }

    #[test]
    fn a_member_that_closes_first_waits_unless_it_is_reset() {
        let closed = PhaseBits::CLIENT_FIN.with(PhaseBits::MEMBER_FIN);
        for (facts, rest) in [
            (closed, Rest::Quiet),
            (closed.with(PhaseBits::MEMBER_FIRST), Rest::Waiting),
            (closed.with(PhaseBits::CROSSED), Rest::Waiting),
            (PhaseBits::MEMBER_FIN.with(PhaseBits::SUPERSEDED), Rest::Waiting),
            (PhaseBits::MEMBER_FIRST.with(PhaseBits::CLIENT_RST), Rest::Quiet),
            (PhaseBits::MEMBER_RST, Rest::Quiet),
            (PhaseBits::EXPIRED, Rest::Quiet),
            (PhaseBits::CROWDED_OUT, Rest::Quiet),
        ] {
            assert_eq!(Rest::of(facts), rest, "{facts:?}");
        }
    }
}
