//! One number space for everything the datapath counts.
//!
//! The counters map is an array of `u64` indexed by [`Counter::number`]; the blocks
//! of 16 leave room to grow without renumbering.

use crate::verdict::{Direction, DropReason, PassReason, RefuseReason, Verdict, reasons};

/// Entries of the counters map.
pub const COUNTERS: u32 = 128;

reasons! {
    /// Packets rewritten and sent.
    Forwarded {
        /** packets sent on to a member, rewritten unless their mode is dsr */
        ToMember = 0, "forward_to_member";
        /** packets sent on to a client */
        ToClient = 1, "forward_to_client";
    }
}

reasons! {
    /// What happens to connections rather than packets.
    Event {
        /** connections given to a member */
        Opened = 64, "connection_opened";
        /** connections that both ends closed, or one reset */
        Closed = 65, "connection_closed";
        /** connections still counted when their timer ran out */
        Expired = 66, "connection_expired";
        /** conntrack entries removed by the reaper */
        Reaped = 67, "entry_reaped";
        /** NAT ports tried that were taken */
        PortTaken = 68, "port_taken";
        /** ending connections whose client port a new one took */
        Reopened = 69, "connection_reopened";
        /** RSTs that the other end does not take for its peer's; they are forwarded and change nothing */
        ResetIgnored = 70, "reset_ignored";
        /** RSTs sent to an end of a connection that expired, was drained or whose member was marked down */
        ResetSent = 71, "reset_sent";
        /** connections whose member refused or was unreachable, given to another member */
        RedispatchedRefused = 72, "redispatched_refused";
        /** connections whose member did not answer, given to another member */
        RedispatchedSilent = 73, "redispatched_silent";
        /** half-open connections, and UDP flows without an answer, that gave way to newer ones */
        CrowdedOut = 74, "half_open_crowded_out";
        /** connections given to the member that their client had before (session_persistence) */
        Persisted = 75, "connection_persisted";
        /** members put out of service for a while because they kept failing */
        Ejected = 76, "member_ejected";
        /** NAT ports of connections that have ended, given to new ones before they were free */
        PortReused = 77, "port_reused";
        /** events that a listener (`qlb events`) was too slow for */
        EventLost = 79, "event_lost";
        /** connections reset because drain_timeout was over for their member, which took no new ones */
        Drained = 80, "connection_drained";
        /** connections reset because their member was marked down (on_marked_down: shutdown-sessions) */
        MarkedDown = 81, "connection_marked_down";
        /** SYNs of clients on connections that are open, answered with an ACK that tells whether the client means it */
        Challenged = 82, "syn_challenged";
        /** UDP flows whose member was removed or put down, given to another member */
        FlowMoved = 83, "udp_flow_moved";
        /** ICMP errors of the members' side sent on to the client whose segment they are about */
        ErrorToClient = 88, "icmp_to_client";
        /** ICMP errors of the clients' side sent on to the member whose segment they are about */
        ErrorToMember = 89, "icmp_to_member";
        /** datagrams that came in fragments and whose first one was forwarded; the others follow it */
        Fragmented = 113, "datagram_fragmented";
    }
}

reasons! {
    /// What the XDP program makes of packets. Those that it passes on are counted by what the TC program
    /// then makes of them.
    Xdp {
        /** packets that the XDP program forwarded, of those that forward_to_member and forward_to_client count */
        Forwarded = 96, "xdp_forwarded";
        /** passed on to the TC program: no TCP segment in a whole datagram without IP options and extension headers */
        Frame = 97, "xdp_pass_frame";
        /** passed on to the TC program: of no known connection */
        Unknown = 98, "xdp_pass_unknown";
        /** passed on to the TC program: SYN, FIN, RST, or the handshake is not complete */
        Phase = 99, "xdp_pass_phase";
        /** passed on to the TC program: its checksum may be left to the device */
        Partial = 100, "xdp_pass_partial";
        /** passed on to the TC program: the first of its direction in each second, so that the kernel goes on confirming the neighbour */
        Confirm = 101, "xdp_pass_confirm";
        /** passed on to the TC program: no route by this device, or forwarding is off on it */
        NoRoute = 102, "xdp_pass_no_route";
        /** passed on to the TC program: the next hop's MAC address is not known */
        NoNeighbour = 103, "xdp_pass_no_neighbour";
        /** passed on to the TC program: longer than the MTU on its way */
        TooLong = 104, "xdp_pass_too_long";
        /** passed on to the TC program: the frame is addressed to another host's MAC address */
        OtherHost = 105, "xdp_pass_other_host";
    }
}

reasons! {
    /// What the program at the outer end of the VIP's device makes of packets. Those that it passes on are counted by what
    /// the program on the device then makes of them.
    Outer {
        /** packets that were forwarded at the outer end, of those that forward_to_member and forward_to_client count */
        Forwarded = 114, "outer_forwarded";
        /** passed on to the VIP's device: neither a TCP segment nor a whole UDP datagram */
        Frame = 115, "outer_pass_frame";
        /** passed on to the VIP's device: of no known connection, and no plain SYN to a listener of a client that the device has just sent to */
        Unknown = 116, "outer_pass_unknown";
        /** passed on to the VIP's device: it may open a connection once more, is refused, or its connection has mode dsr */
        Opening = 117, "outer_pass_opening";
        /** passed on to the VIP's device: a retransmission, so the next hop may have changed */
        Again = 118, "outer_pass_again";
        /** passed on to the VIP's device: the MAC address of the next hop is not known yet */
        Unlearned = 119, "outer_pass_unlearned";
        /** passed on to the VIP's device so that the next hop is learned anew: one packet a second to each destination, and SYNs to one that was sent nothing for 134 ms */
        Confirm = 121, "outer_pass_confirm";
        /** passed on to the VIP's device: the frame is addressed to another host's MAC address */
        OtherHost = 122, "outer_pass_other_host";
    }
}

/// Index of a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter(u32);

impl Counter {
    /// The index into the counters map; below [`COUNTERS`].
    #[inline(always)]
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl From<Event> for Counter {
    #[inline(always)]
    fn from(event: Event) -> Self {
        Self(event.number())
    }
}

impl From<Xdp> for Counter {
    #[inline(always)]
    fn from(xdp: Xdp) -> Self {
        Self(xdp.number())
    }
}

impl From<Outer> for Counter {
    #[inline(always)]
    fn from(outer: Outer) -> Self {
        Self(outer.number())
    }
}

impl From<Result<Verdict, DropReason>> for Counter {
    #[inline(always)]
    fn from(outcome: Result<Verdict, DropReason>) -> Self {
        Self(match outcome {
            Ok(Verdict::Forward(Direction::ToMember)) => Forwarded::ToMember.number(),
            Ok(Verdict::Forward(Direction::ToClient)) => Forwarded::ToClient.number(),
            Ok(Verdict::Pass(reason)) => reason.number(),
            Ok(Verdict::Refuse(reason)) => reason.number(),
            Err(reason) => reason.number(),
        })
    }
}

/// Number, name and meaning of every counter, in the order of the numbers.
pub fn all() -> impl Iterator<Item = (u32, &'static str, &'static str)> {
    (0..COUNTERS).filter_map(|number| rows().find(|row| row.0 == number))
}

/// The same, kind by kind.
fn rows() -> impl Iterator<Item = (u32, &'static str, &'static str)> {
    macro_rules! rows {
        ($($name:ident),+) => {
            core::iter::empty()$(.chain($name::ALL.iter().map(|r| (r.number(), r.name(), r.help().trim()))))+
        };
    }
    rows!(Forwarded, PassReason, RefuseReason, DropReason, Event, Xdp, Outer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_unique_and_in_range() {
        let mut rows: Vec<_> = rows().collect();
        rows.sort_unstable();
        assert!(rows.windows(2).all(|pair| pair[0].0 < pair[1].0), "{rows:?}");
        assert!(rows.iter().all(|row| row.0 < COUNTERS));
        let mut names: Vec<_> = rows.iter().map(|row| row.1).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), rows.len());
    }

    #[test]
    fn the_documentation_has_every_counter() {
        let doc = include_str!("../../docs/counters.md");
        for (number, name, help) in rows() {
            let row = format!("| {number} | `{name}` | {help} |\n");
            assert!(doc.contains(&row), "docs/counters.md lacks {row}");
        }
    }

    #[test]
    fn numbers_never_change() {
        let mut rows: Vec<_> = rows().collect();
        rows.sort_unstable();
        let text: String = rows.iter().map(|(n, name, _)| format!("{n} {name}\n")).collect();
        assert_eq!(text, include_str!("counter.golden"));
    }
}
