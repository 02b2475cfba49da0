//! What happened to a connection, as user space hears of it.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{addr::Tuple, state::PhaseBits, verdict::reasons};

/// A member index that stands for none.
pub const NOBODY: u32 = u32::MAX;

/// Bytes of the ring that carries events; a power of two, and whole pages.
pub const EVENT_RING: u32 = 1 << 18;

/// One event; whoever listens needs no other to write a line of a log.
///
/// Times are nanoseconds of monotonic time, byte counts are payload with retransmissions.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Event {
    /// When it happened.
    pub at: u64,
    /// When the connection was opened; of a refusal, the same as `at`.
    pub opened: u64,
    /// When the member accepted (SYN-ACK), or first answered in UDP; zero if it has not.
    pub accepted: u64,
    /// Payload of the client so far.
    pub bytes_in: u64,
    /// Payload of the member so far.
    pub bytes_out: u64,
    /// A [`Happening`] as its number.
    pub kind: u32,
    /// Of a close an [`End`] as its number, of a refusal the number of its
    /// [`RefuseReason`](crate::verdict::RefuseReason), else zero.
    pub reason: u32,
    /// What was known of the connection.
    pub facts: PhaseBits,
    /// Index of the pool.
    pub pool: u32,
    /// Index of the member; [`NOBODY`] of a refusal.
    pub member: u32,
    /// Index of the member before, of a redispatch; else [`NOBODY`].
    pub previous: u32,
    /// From the client to the VIP.
    pub client: Tuple,
    /// Source and destination of packets to the member, the next hop in place of the VIP with
    /// [`Mode::Dsr`](crate::state::Mode::Dsr); all zero of a refusal.
    pub nat: Tuple,
    /// As in [`crate::state::FlowKey::zone`].
    pub zone: u16,
    /// IP protocol number.
    pub protocol: u8,
    /// Always zero.
    pub reserved: [u8; 5],
}

const _: () = assert!(size_of::<Event>() == 144);

reasons! {
    /// What an event is about.
    Happening {
        /** a client's SYN, or the first datagram of a UDP flow, was given to a member */
        Open = 1, "open";
        /** a connection ended, or its timer ran out */
        Close = 2, "close";
        /** a connection that its member did not accept, or a UDP flow whose member is gone, was given to another one */
        Redispatch = 3, "redispatch";
        /** a client's SYN, or the first datagram of a UDP flow, was given to no member */
        Refuse = 4, "refuse";
    }
}

reasons! {
    /// How a connection ended.
    End {
        /** both ends closed, the client first; with `mode: dsr` the client closed */
        ClientFin = 1, "client_fin";
        /** both ends closed, the member first */
        MemberFin = 2, "member_fin";
        /** the client reset it */
        ClientReset = 3, "client_reset";
        /** the member reset it, or refused it */
        MemberReset = 4, "member_reset";
        /** its timer ran out */
        Expired = 5, "expired";
        /** a new connection took the client's port before both ends had closed */
        Superseded = 6, "superseded";
        /** its member did not accept it; the client was given to another one */
        Abandoned = 7, "abandoned";
        /** it was half open, or a UDP flow without an answer, and newer ones needed the room */
        CrowdedOut = 8, "crowded_out";
        /** it was reset: its member took no new ones, and drain_timeout was over */
        Drained = 9, "drained";
        /** it was reset: its member was marked down (on_marked_down: shutdown-sessions) */
        MarkedDown = 10, "marked_down";
    }
}

impl End {
    /// How a connection ended of which this is known.
    #[inline(always)]
    pub const fn of(facts: PhaseBits) -> Self {
        if facts.contains(PhaseBits::CLIENT_RST) {
            Self::ClientReset
        } else if facts.contains(PhaseBits::MEMBER_RST) {
            Self::MemberReset
        } else if facts.contains(PhaseBits::EXPIRED) {
            Self::Expired
        } else if facts.contains(PhaseBits::SUPERSEDED) {
            Self::Superseded
        } else if facts.contains(PhaseBits::ABANDONED) {
            Self::Abandoned
        } else if facts.contains(PhaseBits::CROWDED_OUT) {
            Self::CrowdedOut
        } else if facts.contains(PhaseBits::DRAINED) {
            Self::Drained
        } else if facts.contains(PhaseBits::MARKED_DOWN) {
            Self::MarkedDown
        } else if facts.contains(PhaseBits::MEMBER_FIRST) {
            Self::MemberFin
        } else {
            Self::ClientFin
        }
    }
}

impl Event {
    /// What the event is about; `None` if it is newer than this program.
    pub fn happening(&self) -> Option<Happening> {
        Happening::ALL.iter().find(|happening| happening.number() == self.kind).copied()
    }

    /// How the connection ended, if this is a close.
    pub fn end(&self) -> Option<End> {
        let closed = self.kind == Happening::Close.number();
        End::ALL.iter().find(|end| closed && end.number() == self.reason).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_never_change() {
        let happenings = Happening::ALL.iter().map(|h| (h.number(), h.name()));
        let ends = End::ALL.iter().map(|e| (e.number(), e.name()));
        let text: String =
            happenings.chain(ends).map(|(n, name)| format!("{n} {name}\n")).collect();
        assert_eq!(text, include_str!("event.golden"));
    }

    #[test]
    fn the_documentation_has_every_number() {
        let doc = include_str!("../../../docs/events.md");
        let happenings = Happening::ALL.iter().map(|h| (h.number(), h.name(), h.help()));
        let ends = End::ALL.iter().map(|e| (e.number(), e.name(), e.help()));
        for (number, name, help) in happenings.chain(ends) {
            let row = format!("| {number} | `{name}` | {} |\n", help.trim());
            assert!(doc.contains(&row), "docs/events.md lacks {row}");
        }
    }
}
