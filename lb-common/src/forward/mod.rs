//! Where a packet is decided.
//!
//! One look-up decides for packets of a known connection ([`known`]); a packet without
//! one either opens a connection ([`open`]) or is not ours. A few packets of known connections are
//! news of members that do not accept ([`failover`]): they open the connection once more.
//!
//! Functions that are not in line have their part of the BPF stack only while they run. They return
//! plain numbers: types of results in their signatures make type information that the kernel refuses.

mod admit;
mod early;
mod eject;
mod failover;
mod known;
mod open;
mod persist;
mod reserve;
mod waiting;

use crate::{
    event,
    nat::Rewrite,
    packet::Packet,
    state::FlowKey,
    tables::Tables,
    verdict::{Direction, DropReason, PassReason, RefuseReason, Verdict},
    wire::{self, Segment, ipv4},
};
pub use early::{Early, Hop, early};
use open::{Unconnected, Wish};
use reserve::Goal;

/// The key of the connection that a segment is of.
#[inline(always)]
fn key_of<T: Tables>(tables: &T, segment: &Segment) -> FlowKey {
    FlowKey::new(segment.tuple, tables.zone(), ipv4::TCP)
}

/// A packet on its way: how it is rewritten and where it then goes.
#[derive(Default)]
struct Path {
    rewrite: Rewrite,
    direction: Direction,
}

/// What becomes of a packet that is not forwarded.
type Declined = Result<Verdict, DropReason>;

/// Decides about a frame that came in on a VIP's device, rewriting it if it is forwarded.
///
/// A packet that is neither forwarded nor dropped is unchanged.
pub fn forward<P: Packet, T: Tables>(packet: &mut P, tables: &T) -> Result<Verdict, DropReason> {
    match established(packet, tables)? {
        Some(verdict) => Ok(verdict),
        None => connect(packet, tables),
    }
}

/// The first half of [`forward`], enough for nearly every packet: those of known connections, and those
/// that are not ours. `None` wants the second half, [`connect`].
///
/// Halves because the BPF stack is small: each is a program of its own.
#[inline(always)]
pub fn established<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
) -> Result<Option<Verdict>, DropReason> {
    let segment = match wire::parse(packet) {
        Ok(segment) => segment,
        Err(PassReason::NotTcp) if wire::icmp::is_unreachable(packet) => return Ok(None),
        Err(reason) => return Ok(Some(Verdict::Pass(reason))),
    };
    let key = key_of(tables, &segment);
    let Some(flow) = tables.flow(&key) else {
        return Ok(open::is_stray(tables, &key, &segment).map(Verdict::Pass));
    };
    if known::is_superseded(&flow, &segment) || failover::may_wish(&flow, &segment) {
        return Ok(None);
    }
    let path = known::follow(tables, &key, &flow, &segment);
    path.take(packet, &segment).map(Some)
}

/// The second half of [`forward`]: connections that open, or open once more.
#[inline(always)]
pub fn connect<P: Packet, T: Tables>(packet: &mut P, tables: &T) -> Result<Verdict, DropReason> {
    let verdict = tables.at_desk(|desk| connect_at(packet, tables, desk));
    verdict.unwrap_or(Err(DropReason::Inconsistent))
}

/// What a connection that opens has lying about while it does. Too much for the BPF stack.
#[derive(Default)]
pub struct Desk {
    segment: Segment,
    wish: Wish,
    goal: Goal,
    path: Path,
}

#[inline(always)]
fn connect_at<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    desk: &mut Desk,
) -> Result<Verdict, DropReason> {
    *desk = Desk::default();
    match wire::parse(packet) {
        Ok(parsed) => desk.segment = parsed,
        Err(PassReason::NotTcp)
            if failover::wishes_by_error(packet, tables, ipv4::TCP, &mut desk.wish) => {}
        Err(reason) => return Ok(Verdict::Pass(reason)),
    }
    let is_error = desk.segment.l4 == 0;
    if is_error || open::wishes(tables, &desk.segment, &mut desk.wish) {
        match open::open(packet, tables, desk) {
            Ok(()) => return desk.path.take(packet, &desk.segment),
            Err(Unconnected::Declined(declined)) => {
                if let Ok(Verdict::Refuse(reason)) = declined {
                    event::refused(tables, &desk.wish.client, reason.number());
                }
                return declined;
            }
            Err(Unconnected::Stays) if is_error => return Ok(Verdict::Pass(PassReason::NotTcp)),
            Err(Unconnected::Stays) => {}
        }
    }
    if known::follow_if_there(tables, &desk.segment, &mut desk.path) {
        return desk.path.take(packet, &desk.segment);
    }
    Ok(Verdict::Refuse(RefuseReason::TableFull))
}

impl Path {
    /// Rewrites the packet that holds `segment`.
    #[inline(always)]
    fn take<P: Packet>(&self, packet: &mut P, segment: &Segment) -> Result<Verdict, DropReason> {
        self.rewrite.apply(packet, segment).map_err(|_| DropReason::Rewrite)?;
        Ok(Verdict::Forward(self.direction))
    }
}
