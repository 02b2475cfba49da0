//! What was said before a connection opened, held against what then happened.

use std::net::SocketAddr;

use lb_common::counter;
use lb_common::route::{Answer, Choice};
use lb_common::state::Mode;
use lb_common::verdict::RefuseReason;
use lb_common::wire::ipv4;

use super::snapshot::direction;
use super::{Family, LISTENER, Snapshot, frame_ends};

/// Where the number of the protocol lies in a frame.
const PROTOCOL: usize = 14 + 9;
/// Where the flags of a TCP header without IP options before it lie in a frame, and the bits of FIN, SYN,
/// RST and ACK.
const FLAGS: usize = 14 + 20 + 13;
const ENDS: u8 = 0x17;
const SYN: u8 = 0x02;

/// Counters of frames that are nobody's SYN, whatever they look like, or that go no further.
const NO_SEGMENT: [&str; 7] = [
    "drop_hop_limit",
    "pass_other_host",
    "pass_not_ip",
    "pass_not_tcp",
    "pass_fragment",
    "pass_malformed",
    "pass_vlan",
];

/// Source and destination of a SYN or datagram to the listener, and the protocol, so far as a look at the frame can
/// tell.
#[must_use]
pub fn asks(frame: &[u8]) -> Option<(SocketAddr, SocketAddr, u8)> {
    let (family, frame) = Family::of(frame)?;
    let protocol = *frame.get(PROTOCOL)?;
    let opens = protocol == ipv4::UDP || frame.get(FLAGS)? & ENDS == SYN;
    let plain = frame.get(14) == Some(&0x45) && opens;
    let ends = frame_ends(&frame).filter(|(_, dst)| plain && *dst == LISTENER);
    ends.map(|(src, dst)| (family.end(src), family.end(dst), protocol))
}

/// Whether the SYN or datagram from `src` became what the answer said. Words if not.
#[must_use]
pub fn disagreement(
    answer: &Answer,
    (src, protocol): (SocketAddr, u8),
    before: &Snapshot,
    after: &Snapshot,
) -> Option<String> {
    let counters = before.counters.iter().zip(&after.counters);
    let rose: Vec<&str> =
        counters.filter(|(old, new)| old.1 != new.1).map(|(old, _)| old.0).collect();
    let has = |name: &str| rose.contains(&name);
    let again = has("redispatched_refused");
    // Of a datagram it is known whether its member is there, of a SYN it is not.
    let moved = has("redispatched_silent") || (again && protocol != ipv4::UDP);
    // The ending connection still counts when the question is asked.
    let ended = answer.replaces != 0 && has("connection_closed");
    // What a member in TIME_WAIT takes depends on numbers that a question does not have, and what is left
    // of an ending connection for its sake takes room.
    let has_former = answer.replaces != 0;
    let numbers = has("port_reused")
        || has("refuse_no_port")
        || answer.outcome == RefuseReason::NoPort.number()
        || (has_former && has("refuse_table_full"));
    // Whether a SYN begins anew where the last connection has not opened, its number tells, and a question
    // has none.
    let family = if src.is_ipv4() { Family::V4 } else { Family::V6 };
    let had = before.flows.get(&((src, family.end(LISTENER)), protocol));
    let is_direct = had.is_some_and(|entry| entry.mode == Mode::Dsr);
    let anew = is_direct && answer.choice == Choice::Known.number() && has("connection_reopened");
    if moved || ended || anew || numbers || NO_SEGMENT.iter().any(|name| has(name)) {
        return None;
    }
    let known = answer.choice == Choice::Known.number();
    if known && has("syn_challenged") {
        return None;
    }
    // Where a member's entry has the client's own port, one that is of no use makes room.
    let entry = after.flows.get(&((src, family.end(LISTENER)), protocol));
    let takes_over = entry.is_some_and(|entry| entry.mode == Mode::Dnat);
    if takes_over && answer.outcome == RefuseReason::TableFull.number() {
        return None;
    }
    let outcome = counter::all().find(|(number, ..)| *number == answer.outcome)?.1;
    if !has(outcome) {
        return Some(format!("asked, it was to be {outcome}; it became {}", rose.join(" ")));
    }
    let opened = has("connection_opened") || has("udp_flow_moved") || again;
    if outcome != "forward_to_member" || known == opened {
        let wrong = known && opened;
        return wrong.then(|| "asked, it was of a known connection; it opened one".to_owned());
    }
    let entry = entry?;
    let (said, is) = (direction(&answer.outgoing), direction(&entry.rewrite.to));
    (entry.member != answer.member || (said != is && !has_former)).then(|| {
        format!("asked, it was {} by {said:?}; it is {} by {is:?}", answer.member, entry.member)
    })
}
