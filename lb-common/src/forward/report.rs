//! ICMP errors about segments of known connections: who sent the segment has to hear of it, or path MTU
//! discovery (RFC 1191, RFC 8201) never finds out.

use crate::{
    counter::Event,
    forward::{direct, udp, waiting},
    packet::Packet,
    state::{Flow, FlowKey, PhaseBits},
    tables::Tables,
    verdict::{Direction, DropReason, PassReason, Verdict},
    wire::{Datagram, IcmpError, icmp},
};

/// Decides about an error in `datagram`, which goes on to the end that has sent the segment it is about. What to make of an
/// error is for that end to judge; but a UDP flow that nobody has answered takes note that its member cannot be
/// reached.
#[inline(always)]
pub(super) fn report<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    datagram: &Datagram,
    error: &mut IcmpError,
) -> Result<Verdict, DropReason> {
    *error = IcmpError::default();
    if let Err(reason) = error.read_in(packet, datagram) {
        return Ok(Verdict::Pass(reason));
    }
    // Whoever reports a segment tells its source.
    if error.dst != error.tuple.src {
        return Ok(Verdict::Pass(PassReason::ErrorUnknown));
    }
    let key = FlowKey::new(error.tuple.reversed(), tables.zone(), error.protocol);
    let Some(flow) = tables.flow(&key) else {
        return Ok(Verdict::Pass(PassReason::ErrorUnknown));
    };
    if flow.is_direct() {
        return direct::report(packet, tables, &flow, error);
    }
    let Some(sender) = other(tables, &key, &flow) else {
        return Ok(Verdict::Pass(PassReason::ErrorUnknown));
    };
    let to_client = flow.is_from_member();
    if !is_outstanding(tables, &flow, &sender, error) {
        return Ok(Verdict::Pass(PassReason::ErrorStale));
    }
    if to_client && error.is_udp() && icmp::is_unreachable(packet) {
        udp::unreachable(tables, &sender);
    }
    afford(tables, &flow)?;
    flow.rewrite.apply_to_error(packet, error).map_err(|_| DropReason::Rewrite)?;
    if to_client {
        tables.count(Event::ErrorToClient.into());
        Ok(Verdict::Forward(Direction::ToClient))
    } else {
        tables.count(Event::ErrorToMember.into());
        Ok(Verdict::Forward(Direction::ToMember))
    }
}

/// The entry of the connection's other direction than `flow`, which has this key.
#[inline(never)]
fn other<T: Tables>(tables: &T, key: &FlowKey, flow: &Flow) -> Option<T::Ref<Flow>> {
    let other_key = flow.peer_key(key);
    let other = tables.flow(&other_key)?;
    let is_one = if flow.is_from_member() { other.answers(key) } else { flow.answers(&other_key) };
    is_one.then_some(other)
}

/// Takes one more error out of what a pool's connections may be told of, or says that it is too many.
#[inline(always)]
pub(super) fn afford<T: Tables>(tables: &T, flow: &Flow) -> Result<(), DropReason> {
    let budget = tables.budget(flow.pool()).ok_or(DropReason::Inconsistent)?;
    if budget.spend(tables, tables.now()) { Ok(()) } else { Err(DropReason::ErrorRate) }
}

/// Whether `sender` may have sent a segment with this number that the other end, of which `flow` is, has
/// not acknowledged (RFC 5927 section 4.1). Who has not seen the connection does not know its numbers.
#[inline(always)]
fn is_outstanding<T: Tables>(tables: &T, flow: &Flow, sender: &Flow, error: &IcmpError) -> bool {
    let (client, seq) = (if flow.is_from_member() { sender } else { flow }, error.seq);
    if error.is_udp() {
        // There are no numbers, and no acknowledgements.
        return flow.is_from_member() || client.phase.get().contains(PhaseBits::ACCEPTED);
    }
    if client.phase.get().contains(PhaseBits::ACCEPTED) {
        // The number in front of the first one, too: of a SYN that was acknowledged just now, and of
        // keepalives.
        return seq.plus(1).is_within(flow.acked(), sender.next().plus(1));
    }
    // A member that has not accepted has sent nothing that counts.
    flow.is_from_member() && waiting::place(tables, client).is_some_and(|place| place.seq() == seq)
}
