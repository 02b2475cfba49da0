//! The phase of a connection, as far as a balancer must know it (RFC 9293 section 3.3.2).
//!
//! A phase is a set of facts that only ever grows, so one atomic OR both records a
//! fact and tells whether this packet was the one that changed something. In
//! particular exactly one OR closes a connection: that one, and no other, takes the
//! connection out of its member's count.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::atomic::{Atomics, Word32};

/// The phase word of a connection.
#[derive(Debug, Default, FromBytes, IntoBytes, KnownLayout)]
#[repr(transparent)]
pub struct Phase(Word32);

/// Facts about a connection.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(transparent)]
pub struct PhaseBits(u32);

/// Facts summed up in the words of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// The client asked, the handshake is not complete.
    Opening,
    /// Both ends may send.
    Established,
    /// One end has no more data.
    Closing,
    /// Both ends closed, one reset, or the timer ran out; no longer counted.
    Closed,
}

impl PhaseBits {
    /// The member accepted (SYN-ACK), or answered in UDP.
    pub const ACCEPTED: Self = Self(1);
    /// The client completed the handshake; in UDP there is none, and the member's answer is enough.
    pub const COMPLETED: Self = Self(1 << 1);
    /// The client sent FIN.
    pub const CLIENT_FIN: Self = Self(1 << 2);
    /// The member sent FIN.
    pub const MEMBER_FIN: Self = Self(1 << 3);
    /// The client sent a RST that the member takes.
    pub const CLIENT_RST: Self = Self(1 << 4);
    /// The timer ran out.
    pub const EXPIRED: Self = Self(1 << 5);
    /// A new connection took the client's port.
    pub const SUPERSEDED: Self = Self(1 << 6);
    /// The member sent a RST that the client takes.
    pub const MEMBER_RST: Self = Self(1 << 7);
    /// The member sent its FIN before the client did: it is the one that waits out 2 MSL
    /// (TIME-WAIT, RFC 9293 section 3.6).
    pub const MEMBER_FIRST: Self = Self(1 << 8);
    /// The timer that ran out was that of the member's side.
    pub const SERVER_IDLE: Self = Self(1 << 9);
    /// The member did not accept, and the client was given to another one.
    pub const ABANDONED: Self = Self(1 << 10);
    /// Newer half-open connections needed the room.
    pub const CROWDED_OUT: Self = Self(1 << 11);
    /// The time that its member was given to drain was over.
    pub const DRAINED: Self = Self(1 << 12);
    /// Its member was marked down.
    pub const MARKED_DOWN: Self = Self(1 << 13);

    /// The member sent its FIN before it had the client's, which was first: both wait out 2 MSL (RFC 9293
    /// section 3.6, simultaneous close).
    pub const CROSSED: Self = Self(1 << 14);

    /// An error said that the member cannot be reached, before it had answered. Only known of UDP flows, of which
    /// the next datagram then asks for another member.
    pub const UNREACHABLE: Self = Self(1 << 15);

    /// What the member says is not seen ([`crate::state::Mode::Dsr`]), so the client's FIN is the end.
    pub const ONE_SIDED: Self = Self(1 << 16);

    /// Every fact with its name, in the order in which an ordinary life meets them.
    pub const NAMED: &'static [(Self, &'static str)] = &[
        (Self::ACCEPTED, "accepted"),
        (Self::COMPLETED, "completed"),
        (Self::UNREACHABLE, "unreachable"),
        (Self::CLIENT_FIN, "client_fin"),
        (Self::MEMBER_FIN, "member_fin"),
        (Self::MEMBER_FIRST, "member_first"),
        (Self::CROSSED, "crossed"),
        (Self::CLIENT_RST, "client_rst"),
        (Self::MEMBER_RST, "member_rst"),
        (Self::EXPIRED, "expired"),
        (Self::SERVER_IDLE, "server_idle"),
        (Self::SUPERSEDED, "superseded"),
        (Self::ABANDONED, "abandoned"),
        (Self::CROWDED_OUT, "crowded_out"),
        (Self::DRAINED, "drained"),
        (Self::MARKED_DOWN, "marked_down"),
        (Self::ONE_SIDED, "one_sided"),
    ];

    const BOTH_FIN: u32 = Self::CLIENT_FIN.0 | Self::MEMBER_FIN.0;
    const ABRUPT: u32 = Self::CLIENT_RST.0
        | Self::MEMBER_RST.0
        | Self::EXPIRED.0
        | Self::SUPERSEDED.0
        | Self::ABANDONED.0
        | Self::CROWDED_OUT.0
        | Self::DRAINED.0
        | Self::MARKED_DOWN.0;

    /// No fact at all.
    pub const NONE: Self = Self(0);

    /// Both sets together.
    #[inline(always)]
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is known.
    #[inline(always)]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any of `others` is known.
    #[inline(always)]
    pub const fn has_any(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    /// Whether the connection is over and no longer counted.
    #[inline(always)]
    pub const fn is_closed(self) -> bool {
        self.is_abrupt()
            || self.0 & Self::BOTH_FIN == Self::BOTH_FIN
            || self.0 & Self::ONE_SIDED.0 != 0
    }

    /// Whether the connection ended without both ends having said so: nobody waits for its last
    /// segments.
    #[inline(always)]
    pub const fn is_abrupt(self) -> bool {
        self.0 & Self::ABRUPT != 0
    }

    /// Whether at least one end said it has no more to send.
    #[inline(always)]
    pub const fn is_closing(self) -> bool {
        self.is_closed() || self.0 & Self::BOTH_FIN != 0
    }

    /// The facts in one word.
    pub const fn state(self) -> State {
        if self.is_closed() {
            State::Closed
        } else if self.is_closing() {
            State::Closing
        } else if self.contains(Self::ACCEPTED.with(Self::COMPLETED)) {
            State::Established
        } else {
            State::Opening
        }
    }
}

/// What recording a fact brought about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// What was known before.
    pub before: PhaseBits,
    /// Whether this fact closed the connection.
    pub closed: bool,
}

impl Phase {
    /// What is known now.
    #[inline(always)]
    pub fn get(&self) -> PhaseBits {
        PhaseBits(self.0.get())
    }

    /// Records facts. Costs one load when they are known already.
    #[inline(always)]
    pub fn record(&self, atomics: &impl Atomics, facts: PhaseBits) -> Change {
        let known = self.get();
        if known.contains(facts) {
            return Change { before: known, closed: false };
        }
        let before = PhaseBits(atomics.or32(&self.0, facts.0));
        Change { before, closed: !before.is_closed() && before.with(facts).is_closed() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::host::HostTables;

    #[test]
    fn states_of_an_ordinary_life() {
        let (phase, tables) = (Phase::default(), HostTables::default());
        assert_eq!(phase.get().state(), State::Opening);
        phase.record(&tables, PhaseBits::ACCEPTED);
        assert_eq!(phase.get().state(), State::Opening);
        phase.record(&tables, PhaseBits::COMPLETED);
        assert_eq!(phase.get().state(), State::Established);
        assert!(!phase.record(&tables, PhaseBits::MEMBER_FIN).closed);
        assert_eq!(phase.get().state(), State::Closing);
        assert!(phase.record(&tables, PhaseBits::CLIENT_FIN).closed);
        assert_eq!(phase.get().state(), State::Closed);
    }

    proptest! {
        #[test]
        fn exactly_one_fact_closes(facts in proptest::collection::vec(0u32..17, 0..40)) {
            let (phase, tables) = (Phase::default(), HostTables::default());
            let closes = facts.iter().filter(|bit| phase.record(&tables, PhaseBits(1 << **bit)).closed).count();
            prop_assert_eq!(closes, usize::from(phase.get().is_closed()));
        }
    }
}
