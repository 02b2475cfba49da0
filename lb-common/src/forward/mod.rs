//! Where a packet is decided.
//!
//! One look-up decides for packets of a known connection ([`known`]); a packet without
//! one either opens a connection ([`open`]) or is not ours.

mod admit;
mod known;
mod open;
mod persist;

use crate::{
    event,
    nat::Rewrite,
    packet::Packet,
    state::FlowKey,
    tables::Tables,
    verdict::{Direction, DropReason, Verdict},
    wire::{self, Segment, ipv4},
};

/// A packet on its way: how it is rewritten and where it then goes.
struct Path {
    rewrite: Rewrite,
    direction: Direction,
}

/// Decides about a frame that came in on a VIP's device, rewriting it if it is forwarded.
///
/// A packet that is neither forwarded nor dropped is unchanged.
#[inline(always)]
pub fn forward<P: Packet, T: Tables>(packet: &mut P, tables: &T) -> Result<Verdict, DropReason> {
    let segment = match wire::parse(packet) {
        Ok(segment) => segment,
        Err(reason) => return Ok(Verdict::Pass(reason)),
    };
    match route(tables, &segment) {
        Ok(path) => {
            path.rewrite.apply(packet, &segment).map_err(|_| DropReason::Rewrite)?;
            Ok(Verdict::Forward(path.direction))
        }
        Err(declined) => declined,
    }
}

/// The path of a segment, or what becomes of it without one.
#[inline(always)]
fn route<T: Tables>(tables: &T, segment: &Segment) -> Result<Path, Result<Verdict, DropReason>> {
    let key = FlowKey::new(segment.tuple, tables.zone(), ipv4::TCP);
    if let Some(flow) = tables.flow(&key) {
        if !known::is_superseded(&flow, segment) {
            return Ok(known::follow(tables, &key, &flow, segment));
        }
        known::retire(tables, &key, &flow);
    }
    let path = open::open(tables, &key, segment);
    if let Err(Ok(Verdict::Refuse(reason))) = path {
        event::refused(tables, &key, reason.number());
    }
    path
}
