//! ICMP errors about segments of known connections: who sent the segment has to hear of it, or path MTU
//! discovery (RFC 1191, RFC 8201) never finds out.

use crate::{
    counter::Event,
    forward::{fragment, waiting},
    packet::Packet,
    state::{Flow, FlowKey, PhaseBits},
    tables::Tables,
    verdict::{Direction, DropReason, PassReason, Verdict},
    wire::{Datagram, IcmpError, Seq, ipv4},
};

/// Decides about what is left: an error, or a fragment that follows its first ([`fragment`]). An error goes on to the end that has sent the segment it is about. No entry
/// changes by it: what to make of an error is for that end to judge.
#[inline(always)]
pub fn report<P: Packet, T: Tables>(packet: &mut P, tables: &T) -> Result<Verdict, DropReason> {
    let mut datagram = Datagram::default();
    if datagram.read(packet).is_ok() && datagram.fragment.is_part() {
        return fragment::follow(packet, tables, &datagram);
    }
    let mut error = IcmpError::default();
    if let Err(reason) = error.read(packet) {
        return Ok(Verdict::Pass(reason));
    }
    // Whoever reports a segment tells its source.
    if error.dst != error.tuple.src {
        return Ok(Verdict::Pass(PassReason::ErrorUnknown));
    }
    let key = FlowKey::new(error.tuple.reversed(), tables.zone(), ipv4::TCP);
    let Some(flow) = tables.flow(&key) else {
        return Ok(Verdict::Pass(PassReason::ErrorUnknown));
    };
    let sender_key = flow.peer_key(&key);
    let Some(sender) = tables.flow(&sender_key) else {
        return Ok(Verdict::Pass(PassReason::ErrorUnknown));
    };
    let to_client = flow.is_from_member();
    let is_one = if to_client { sender.answers(&key) } else { flow.answers(&sender_key) };
    if !is_one {
        return Ok(Verdict::Pass(PassReason::ErrorUnknown));
    }
    if !is_outstanding(tables, &flow, &sender, error.seq) {
        return Ok(Verdict::Pass(PassReason::ErrorStale));
    }
    match tables.budget(flow.pool()) {
        Some(budget) if budget.spend(tables, tables.now()) => {}
        Some(_) => return Err(DropReason::ErrorRate),
        None => return Err(DropReason::Inconsistent),
    }
    flow.rewrite.apply_to_error(packet, &error).map_err(|_| DropReason::Rewrite)?;
    if to_client {
        tables.count(Event::ErrorToClient.into());
        Ok(Verdict::Forward(Direction::ToClient))
    } else {
        tables.count(Event::ErrorToMember.into());
        Ok(Verdict::Forward(Direction::ToMember))
    }
}

/// Whether `sender` may have sent a segment with this number that the other end, of which `flow` is, has
/// not acknowledged (RFC 5927 section 4.1). Who has not seen the connection does not know its numbers.
#[inline(always)]
fn is_outstanding<T: Tables>(tables: &T, flow: &Flow, sender: &Flow, seq: Seq) -> bool {
    let client = if flow.is_from_member() { sender } else { flow };
    if client.phase.get().contains(PhaseBits::ACCEPTED) {
        // The number in front of the first one, too: of a SYN that was acknowledged just now, and of
        // keepalives.
        return seq.plus(1).is_within(flow.acked(), sender.next().plus(1));
    }
    // A member that has not accepted has sent nothing that counts.
    flow.is_from_member() && waiting::place(tables, client).is_some_and(|place| place.seq() == seq)
}
