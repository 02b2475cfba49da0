//! SYNs of clients whose connection is open: only the client can tell whether it means it.

use crate::{
    counter::Event,
    forward::{key_of, known},
    packet::Packet,
    tables::Tables,
    verdict::{Direction, DropReason, PassReason, Verdict},
    wire::{Outgoing, Segment, tcp::Flags},
};

/// Puts an ACK to the client in the place of its SYN, as the member would answer it (RFC 5961 section 4.2). A client that
/// has forgotten the connection answers with a RST that ends it, and its next SYN opens a new one; one that has not takes the
/// ACK for a keepalive, whatever window it tells. The member is not asked: it may have forgotten the connection itself.
#[inline(always)]
pub(super) fn answer<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    segment: &mut Segment,
) -> Result<Verdict, DropReason> {
    let key = key_of(tables, segment);
    let client = tables.flow(&key).filter(|client| known::is_doubtful(client, segment));
    let member = client.as_ref().and_then(|client| tables.flow(&client.peer_key(&key)));
    let (Some(client), Some(member)) = (client, member) else {
        // It has just ended.
        return Ok(Verdict::Pass(PassReason::NoConnection));
    };
    let ack = Outgoing {
        tuple: key.tuple.reversed(),
        flags: Flags::ACKNOWLEDGE,
        // Just before what the client waits for: else it would take the window for the member's.
        seq: client.acked().plus(u32::MAX),
        ack: member.acked(),
    };
    ack.put(packet, None, segment).map_err(|_| DropReason::Rewrite)?;
    tables.count(Event::Challenged.into());
    Ok(Verdict::Forward(Direction::ToClient))
}
