//! Packets of a known connection.

use crate::{
    counter::Event,
    ending,
    forward::{Path, direct, eject, udp, waiting},
    packet::Packet,
    schedule,
    state::{Flow, FlowKey, PhaseBits},
    tables::Tables,
    verdict::Direction,
    wire::{Segment, timestamp},
};

/// How far an acknowledgement may lag behind in a handshake, in bytes: data in a SYN need not be
/// acknowledged with it (RFC 7413).
const HANDSHAKE: u32 = 1 << 16;

/// Whether the segment opens a new connection on the client port of one that is over, or was never whole.
#[inline(always)]
pub(super) fn is_superseded(flow: &Flow, segment: &Segment) -> bool {
    segment.opens() && (is_over(flow) || direct::begins_anew(flow, segment))
}

/// Whether the connection of this client's entry is over, or was never whole.
#[inline(always)]
pub(super) fn is_over(flow: &Flow) -> bool {
    let phase = flow.phase.get();
    let broken = phase.is_closing() && !phase.contains(PhaseBits::COMPLETED);
    !flow.is_from_member() && (phase.is_closed() || broken)
}

/// Whether the segment is a SYN of the client's on a connection that is open: an old duplicate, a forged one, or a
/// client that has forgotten the connection. One end may have closed: the other may still be sending. A member that
/// answers past the node tells its client itself.
#[inline(always)]
pub(super) fn is_doubtful(flow: &Flow, segment: &Segment) -> bool {
    let phase = flow.phase.get();
    segment.flags.opens()
        && !flow.is_from_member()
        && !flow.is_direct()
        && phase.contains(PhaseBits::COMPLETED)
        && !phase.is_closed()
}

/// The same of a connection that may not be there.
#[inline(never)]
pub(super) fn is_doubtful_at<T: Tables>(tables: &T, key: &FlowKey, segment: &Segment) -> bool {
    tables.flow(key).is_some_and(|flow| is_doubtful(&flow, segment))
}

/// Whether there is an entry with the key, of a connection that it leads to.
#[inline(never)]
pub(super) fn is_there<T: Tables>(tables: &T, key: &FlowKey) -> bool {
    tables.flow(key).is_some_and(|flow| !flow.is_left_behind())
}

/// Whether the key is of a member's entry.
#[inline(never)]
pub(super) fn is_of_member<T: Tables>(tables: &T, key: &FlowKey) -> bool {
    tables.flow(key).is_some_and(|flow| flow.is_from_member())
}

/// Takes note of a segment that goes along its connection.
#[inline(always)]
pub(super) fn follow<T: Tables>(
    tables: &T,
    key: &FlowKey,
    flow: &Flow,
    segment: &Segment,
) -> Direction {
    if segment.is_udp() {
        return udp::follow(tables, key, flow, segment);
    }
    follow_segment(tables, key, flow, segment)
}

#[inline(always)]
fn follow_segment<T: Tables>(
    tables: &T,
    key: &FlowKey,
    flow: &Flow,
    segment: &Segment,
) -> Direction {
    let direction = pass_along(tables, flow, segment);
    match direction {
        Direction::ToMember => track_client(tables, key, flow, segment),
        Direction::ToClient => track_member(tables, key, flow, segment),
    }
    direction
}

/// Whether [`pass_along`] is all that following the segment comes to: it cannot move the phase of its
/// connection, nor is it one that the member's TIME_WAIT may remember.
#[inline(always)]
pub(super) fn is_plain(flow: &Flow, segment: &Segment) -> bool {
    let flags = segment.flags;
    let plain = !flags.syn() && !flags.fin() && !flags.rst() && !may_be_last(flow, segment);
    plain
        && !flow.is_direct()
        && (flow.is_from_member() || flow.phase.get().contains(PhaseBits::COMPLETED))
}

/// Records a segment in the entry of its own direction and in nothing else.
#[inline(always)]
pub(super) fn pass_along<T: Tables>(tables: &T, flow: &Flow, segment: &Segment) -> Direction {
    flow.touch(tables, tables.now(), segment);
    let direction = flow.direction();
    tables.account(flow.member, direction, segment.payload);
    direction
}

/// Whether the segment may be the client's last on its connection, whose timestamp a member in TIME_WAIT
/// then remembers.
#[inline(always)]
pub(super) fn may_be_last(flow: &Flow, segment: &Segment) -> bool {
    !flow.is_from_member()
        && !flow.is_direct()
        && (segment.flags.fin() || flow.phase.get().is_closed())
}

/// Finds the path of a segment if its connection is known, and follows one that is not direct.
#[inline(never)]
pub(super) fn follow_if_there<T: Tables>(
    tables: &T,
    key: &FlowKey,
    segment: &Segment,
    path: &mut Path,
) -> bool {
    let Some(flow) = tables.flow(key) else { return false };
    path.rewrite = flow.rewrite;
    path.is_direct = flow.is_direct();
    path.direction = if flow.is_direct() {
        Direction::ToMember
    } else if segment.is_udp() {
        udp::pass_along(tables, &flow, segment)
    } else {
        follow_segment(tables, key, &flow, segment)
    };
    true
}

/// Notes the timestamp of what may be the client's last segment.
#[inline(never)]
pub(super) fn note_stamp<P: Packet, T: Tables>(
    packet: &P,
    tables: &T,
    key: &FlowKey,
    segment: &Segment,
) {
    if !segment.is_udp()
        && let Some(flow) = tables.flow(key)
        && may_be_last(&flow, segment)
    {
        flow.see_stamp(timestamp(packet, tables, segment.l4));
    }
}

/// Moves the phase by a client's segment. Only segments that can move it look up the member's
/// entry, whose numbers tell whether the member takes them for its client's.
#[inline(always)]
fn track_client<T: Tables>(tables: &T, key: &FlowKey, flow: &Flow, segment: &Segment) {
    let phase = flow.phase.get();
    let flags = segment.flags;
    let completes =
        flags.ack() && phase.contains(PhaseBits::ACCEPTED) && !phase.contains(PhaseBits::COMPLETED);
    if !completes && !flags.rst() && !flags.fin() {
        return;
    }
    let mut facts = PhaseBits::NONE;
    if completes || flags.rst() {
        let Some(member) = tables.flow(&flow.peer_key(key)) else { return };
        if flags.rst() {
            facts = take_reset(tables, phase, flow, &member, segment, PhaseBits::CLIENT_RST);
        } else if member.next().ahead_of(segment.ack) < HANDSHAKE {
            facts = PhaseBits::COMPLETED;
        }
    }
    if flags.fin() && !flags.rst() && is_last(flow, segment) {
        facts = facts.with(PhaseBits::CLIENT_FIN);
    }
    if facts.contains(PhaseBits::COMPLETED) {
        waiting::leave(tables, flow);
    }
    ending::record(tables, key, flow, facts, Event::Closed);
}

/// Moves the phase by a member's segment. Only segments that can move it look up the
/// client's entry, where the phase lives.
#[inline(always)]
fn track_member<T: Tables>(tables: &T, key: &FlowKey, flow: &Flow, segment: &Segment) {
    let flags = segment.flags;
    if !flags.rst() && !flags.fin() && !flags.accepts() {
        return;
    }
    let client_key = flow.peer_key(key);
    let Some(client) = tables.flow(&client_key) else { return };
    // A member's entry can outlive its connection; the client's port may serve another one.
    if !client.answers(key) {
        return;
    }
    let phase = client.phase.get();
    let facts = if flags.rst() {
        take_reset(tables, phase, flow, &client, segment, PhaseBits::MEMBER_RST)
    } else if flags.fin() {
        if !is_last(flow, segment) {
            return;
        }
        PhaseBits::MEMBER_FIN.with(if !phase.contains(PhaseBits::CLIENT_FIN) {
            PhaseBits::MEMBER_FIRST
        } else if phase.contains(PhaseBits::MEMBER_FIN) || segment.ack == client.next() {
            PhaseBits::NONE
        } else {
            PhaseBits::CROSSED
        })
    } else if client.next().ahead_of(segment.ack) < HANDSHAKE {
        let is_first = !phase.contains(PhaseBits::ACCEPTED);
        if is_first || !phase.contains(PhaseBits::COMPLETED) && is_news(flow, &client, segment) {
            flow.synchronize(segment);
            client.acked.set(segment.end().get());
        }
        if is_first {
            eject::accepted(tables, &client);
            let now = tables.exact_now();
            let elapsed = now.saturating_sub(client.opened);
            client.accept(elapsed);
            schedule::accepted(tables, client.pool(), client.member, elapsed);
        }
        PhaseBits::ACCEPTED
    } else {
        return;
    };
    ending::record(tables, &client_key, &client, facts, Event::Closed);
}

/// Whether a SYN-ACK has other numbers than the last one: the first has, and so has that of a member which keeps
/// nothing of half-open connections (SYN cookies) or has forgotten this one.
#[inline(always)]
fn is_news(flow: &Flow, client: &Flow, segment: &Segment) -> bool {
    client.acked() != segment.end() || flow.acked().ahead_of(segment.ack) >= HANDSHAKE
}

/// Whether a RST of the member's refuses the connection of this client's entry: it comes before the
/// member has accepted, and acknowledges the SYN (RFC 9293 section 3.10.7.3).
#[inline(always)]
pub(super) fn refuses(client: &Flow, segment: &Segment) -> bool {
    !client.phase.get().contains(PhaseBits::ACCEPTED)
        && segment.flags.ack()
        && client.next().ahead_of(segment.ack) < HANDSHAKE
}

/// Whether nothing was sent after the segment, as must be of a FIN.
#[inline(always)]
fn is_last(flow: &Flow, segment: &Segment) -> bool {
    flow.next() == segment.end()
}

/// The fact that a RST is, or none if the other end does not take it (RFC 5961 section 3.2): it has to have the number
/// that this end has come to, or that the other end has acknowledged, which may be all that it has got.
#[inline(always)]
fn take_reset<T: Tables>(
    tables: &T,
    phase: PhaseBits,
    from: &Flow,
    to: &Flow,
    segment: &Segment,
    fact: PhaseBits,
) -> PhaseBits {
    let valid = match (phase.contains(PhaseBits::ACCEPTED), from.is_from_member()) {
        (true, _) => segment.seq == to.acked() || segment.seq == from.next() && from.leads(to),
        (false, false) => segment.seq == from.next(),
        (false, true) => refuses(to, segment),
    };
    if valid {
        return fact;
    }
    tables.count(Event::ResetIgnored.into());
    PhaseBits::NONE
}
