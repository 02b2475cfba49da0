//! Connections whose members answer past the node ([`crate::state::Mode::Dsr`]).
//!
//! All that is known of them, the client has said: one entry, and what the member does is seen by what the
//! client makes of it. Packets go on as they are; only the next hop is the member.

use crate::{
    addr::Addr,
    counter::Event,
    ending,
    forward::{eject, report::afford, waiting},
    packet::Packet,
    state::{Flow, FlowKey, LEAP, PhaseBits},
    tables::Tables,
    verdict::{Direction, DropReason, PassReason, Verdict},
    wire::{IcmpError, Segment, Seq},
};

/// How far a number may be from what it is known by, in bytes: what a client sends of its own accord before
/// it has seen an acknowledgement (RFC 7413, RFC 6928), and no number that was chosen anew.
const NEAR: u32 = 1 << 16;

/// How long a member may take to accept before a SYN that comes once more goes to another one, in
/// nanoseconds. A SYN-ACK that is lost looks like a member that says nothing, and moving a connection that
/// its member has accepted breaks it; so the second repetition counts (RFC 6298: after three seconds).
pub(super) const PATIENCE: u64 = 2_000_000_000;

/// Hands the packet, as it is, to the member with this address; returns whether that was possible. Has the BPF stack for
/// itself as long as it does.
#[inline(never)]
pub(super) fn is_sent_on<P: Packet>(packet: &mut P, member: &Addr) -> bool {
    packet.set_next_hop(member).is_ok()
}

/// Whether a client's SYN opens a new connection where its last one has never come to be: its member may
/// have refused that one, unseen.
#[inline(always)]
pub(super) fn begins_anew(flow: &Flow, segment: &Segment) -> bool {
    flow.is_direct()
        && !flow.phase.get().contains(PhaseBits::ACCEPTED)
        && flow.next().ahead_of(segment.seq) >= NEAR
}

/// Takes note of a client's segment that goes along its connection. Has the BPF stack for itself as long as
/// it does.
#[inline(never)]
pub(super) fn follow<T: Tables>(tables: &T, key: &FlowKey, flow: &Flow, segment: &Segment) {
    let (phase, flags, now) = (flow.phase.get(), segment.flags, tables.now());
    tables.account(flow.member, Direction::ToMember, segment.payload);
    let accepted = phase.contains(PhaseBits::ACCEPTED);
    if flags.syn() && accepted {
        // A client that was reset, unseen, or an old duplicate. What follows tells.
        flow.last_seen.set(now);
        flow.stamp.set(segment.end().get());
        return;
    }
    let mut facts = PhaseBits::NONE;
    if flags.rst() {
        if segment.seq == flow.next() {
            facts = PhaseBits::CLIENT_RST;
        } else {
            tables.count(Event::ResetIgnored.into());
        }
    } else if flags.ack() && !accepted && segment.seq.ahead_of(flow.next()) < NEAR {
        facts = PhaseBits::ACCEPTED.with(PhaseBits::COMPLETED);
        flow.acked.set(segment.ack.get());
        flow.last_news.set(now);
        flow.accept(tables.exact_now().saturating_sub(flow.opened));
        eject::accepted(tables, flow);
        waiting::leave(tables, flow);
    } else if flow.stamp.get() != 0 && segment.seq.ahead_of(Seq::new(flow.stamp.get())) < NEAR {
        flow.stamp.set(0);
        flow.last_news.set(now);
        flow.synchronize(segment);
    }
    flow.touch(tables, now, segment);
    if flags.fin() && !flags.rst() && segment.end() == flow.next() {
        facts = facts.with(PhaseBits::CLIENT_FIN).with(PhaseBits::ONE_SIDED);
    }
    ending::record(tables, key, flow, facts, Event::Closed);
}

/// The same for the connection with this key, if it is still there.
#[inline(always)]
pub(super) fn follow_if_there<T: Tables>(tables: &T, key: &FlowKey, segment: &Segment) {
    if let Some(flow) = tables.flow(key).filter(|flow| flow.is_direct()) {
        follow(tables, key, &flow, segment);
    }
}

/// Whether a RST of no known connection is on its way from the VIP to a client whose connection has timed out
/// ([`crate::expire`]). It goes on as it is.
#[inline(never)]
pub(super) fn is_reset<T: Tables>(tables: &T, key: &FlowKey) -> bool {
    let client = FlowKey::new(key.tuple.reversed(), key.zone, key.protocol);
    tables.flow(&client).is_some_and(|flow| flow.is_direct())
}

/// Decides about an error to the VIP about a segment that the member of this client's entry has sent past
/// the node: the member has to hear of it.
#[inline(always)]
pub(super) fn report<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    flow: &Flow,
    error: &IcmpError,
) -> Result<Verdict, DropReason> {
    let is_open = flow.phase.get().contains(PhaseBits::ACCEPTED);
    // How much the member has sent is not known, but what the client has taken is (RFC 5927 section 4.1).
    if !is_open || error.seq.plus(1).ahead_of(flow.acked()) > LEAP {
        return Ok(Verdict::Pass(PassReason::ErrorStale));
    }
    afford(tables, flow)?;
    if !is_sent_on(packet, &flow.rewrite.to.dst) {
        return Err(DropReason::Rewrite);
    }
    tables.count(Event::ErrorToMember.into());
    Ok(Verdict::Forward(Direction::ToMember))
}
