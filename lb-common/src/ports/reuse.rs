//! Taking over the port of a connection that is closed.

use zerocopy::FromZeros;

use crate::{
    counter::Event,
    packet::Packet,
    state::{Flow, FlowKey, PhaseBits, Rest},
    tables::Tables,
    wire::{Segment, Seq, timestamp},
};

/// How long a member is taken to keep TIME_WAIT after the last packet, in nanoseconds: Linux does for so
/// long (`TCP_TIMEWAIT_LEN` of net/tcp.h).
const TIME_WAIT: u64 = 60_000_000_000;

/// What decides whether a member in TIME_WAIT takes a SYN.
#[derive(Clone, Copy, Debug, Default, FromZeros)]
pub(crate) struct Syn {
    /// Sequence number.
    pub(crate) seq: Seq,
    /// TSval (RFC 7323), zero without one.
    pub(crate) stamp: u32,
    /// Zero if this is not known of the SYN, which then gets no port that a member waits on.
    pub(crate) is_known: u32,
}

/// How sure a member in TIME_WAIT takes a SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Welcome {
    /// It does not.
    No,
    /// By its timestamp alone; Linux does (tcp_timewait_state_process), others need not.
    ByStamp,
    /// By its sequence number, and the timestamp is no objection; or the member has forgotten.
    Yes,
}

impl Syn {
    /// What counts of the segment.
    #[inline(always)]
    pub(crate) fn of<P: Packet, T: Tables>(packet: &P, tables: &T, segment: &Segment) -> Self {
        Self { seq: segment.seq, stamp: timestamp(packet, tables, segment.l4), is_known: 1 }
    }

    /// Whether the member takes the SYN that remembers the number after its last client's FIN and
    /// that client's last timestamp, zero if there was none (RFC 9293 section 3.10.7.4, RFC 6191
    /// section 2). An older timestamp spoils any sequence number (PAWS, RFC 7323 section 5).
    #[inline(always)]
    fn welcome(&self, end: Seq, stamp: u32) -> Welcome {
        let (new, old) = (Seq::new(self.stamp), Seq::new(stamp));
        // Without timestamps on both connections only sequence numbers count.
        let both = self.stamp != 0 && stamp != 0;
        if both && old.is_after(new) {
            Welcome::No
        } else if self.seq.is_after(end) {
            Welcome::Yes
        } else if both && new.is_after(old) {
            Welcome::ByStamp
        } else {
            Welcome::No
        }
    }
}

/// How the member takes the SYN on the port that its entry with this `key` has. `No` if that is
/// not known: one end has never closed, or nothing is left that tells.
#[inline(always)]
pub(crate) fn welcome<T: Tables>(tables: &T, key: &FlowKey, syn: &Syn) -> Welcome {
    const CLOSED: PhaseBits = PhaseBits::CLIENT_FIN.with(PhaseBits::MEMBER_FIN);
    let Some(answers) = tables.flow(key) else { return Welcome::No };
    let (mut seen, mut phase) = (answers.last_seen.get(), answers.phase.get());
    let (mut end, mut stamp) = (answers.acked(), answers.stamp.get());
    // A client that comes again has had all it wanted.
    let mut is_settled = true;
    if !answers.is_left_behind() {
        // The client's entry knows; where that has gone, the time to rest is over.
        let Some(client) = tables.flow(&answers.peer_key(key)) else { return Welcome::Yes };
        if !client.answers(key) {
            return Welcome::Yes;
        }
        seen = seen.max(client.last_seen.get());
        (phase, end, stamp) = (client.phase.get(), client.next(), client.stamp.get());
        // The last ACK of a client that closed first may be on its way.
        is_settled = phase.is_abrupt() || client.acked() == answers.next();
    }
    if phase.is_closed() && Rest::of(phase) == Rest::Quiet && is_settled {
        return Welcome::Yes;
    }
    if tables.now().saturating_sub(seen) >= TIME_WAIT {
        Welcome::Yes
    } else if phase.contains(CLOSED) && syn.is_known != 0 {
        syn.welcome(end, stamp)
    } else {
        Welcome::No
    }
}

/// Removes what is left of the closed connection whose port, that of the member's entry with
/// this `key`, the caller has taken over.
#[inline(never)]
pub(crate) fn evict<T: Tables>(tables: &T, key: &FlowKey) {
    if let Some(answers) = tables.flow(key) {
        let peer = answers.peer_key(key);
        // The client's port may serve another connection already.
        if tables.flow(&peer).is_some_and(|client| client.answers(key)) {
            tables.remove_flow(&peer);
        }
        tables.remove_flow(key);
    }
    tables.count_in(key.zone, Event::PortReused.into());
}

/// Lets the member's entry with this `key` outlive that of its client, which knows what a member in
/// TIME_WAIT remembers.
#[inline(always)]
pub(crate) fn leave_behind<T: Tables>(
    tables: &T,
    key: &FlowKey,
    client_key: &FlowKey,
    client: &Flow,
) {
    if let Some(answers) = tables.flow(key)
        // Another CPU may have taken the port over for another client.
        && answers.peer_key(key) == *client_key
    {
        answers.last_seen.set(answers.last_seen.get().max(client.last_seen.get()));
        answers.acked.set(client.next().get());
        answers.stamp.set(client.stamp.get());
        answers.phase.record(tables, client.phase.get());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn syn(seq: u32, stamp: u32) -> Syn {
        Syn { seq: Seq::new(seq), stamp, is_known: 1 }
    }

    #[test]
    fn a_newer_sequence_number_is_welcome_if_the_timestamp_is_not_older() {
        let cases = [
            (1001, 0, 0, Welcome::Yes),
            (1000, 0, 0, Welcome::No),
            (999, 0, 0, Welcome::No),
            (1001, 7, 0, Welcome::Yes),
            (1000, 7, 0, Welcome::No),
            (1001, 0, 500, Welcome::Yes),
            (1000, 0, 500, Welcome::No),
            (1001, 499, 500, Welcome::No),
            (1001, 500, 500, Welcome::Yes),
            (1000, 500, 500, Welcome::No),
            (1000, 501, 500, Welcome::ByStamp),
            (1001, 501, 500, Welcome::Yes),
        ];
        for (seq, stamp, known, expected) in cases {
            let (end, syn) = (Seq::new(1000), syn(seq, stamp));
            assert_eq!(syn.welcome(end, known), expected, "{syn:?} after {known}");
        }
    }

    #[test]
    fn numbers_wrap() {
        let (low, high) = (Seq::new(5), Seq::new(u32::MAX));
        assert_eq!(syn(5, 5).welcome(high, u32::MAX), Welcome::Yes);
        assert_eq!(syn(u32::MAX, u32::MAX).welcome(low, 5), Welcome::No);
        assert_eq!(syn(u32::MAX, 5).welcome(low, u32::MAX), Welcome::ByStamp);
    }

    proptest! {
        /// The rule of Linux, written down from its description: PAWS first, then either number.
        #[test]
        fn linux_takes_what_is_welcome(seq: u32, end: u32, new: u32, old: u32) {
            let ahead = |new: u32, old: u32| new.wrapping_sub(old).cast_signed();
            let stamps = (new != 0 && old != 0).then(|| ahead(new, old));
            let takes = stamps.is_none_or(|by| by >= 0)
                && (ahead(seq, end) > 0 || stamps.is_some_and(|by| by > 0));
            let welcome = syn(seq, new).welcome(Seq::new(end), old);
            prop_assert_eq!(welcome != Welcome::No, takes);
        }
    }
}
