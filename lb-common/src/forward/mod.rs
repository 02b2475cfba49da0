//! Where a packet is decided.
//!
//! One look-up decides for packets of a known connection ([`known`]); a packet without
//! one either opens a connection ([`open`]) or is not ours. A few packets of known connections are
//! news of members that do not accept ([`failover`]): they open the connection once more.
//!
//! Functions that are not in line have their part of the BPF stack only while they run. They return
//! plain numbers: types of results in their signatures make type information that the kernel refuses.

mod admit;
mod eject;
mod failover;
mod known;
mod open;
mod persist;
mod reserve;
mod route;
mod udp;
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
use open::{Unconnected, Wish};
use reserve::Goal;

pub use route::route;

/// The key of the connection that a segment is of.
#[inline(always)]
fn key_of<T: Tables>(tables: &T, segment: &Segment) -> FlowKey {
    FlowKey::new(segment.tuple, tables.zone(), segment.protocol)
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
    let mut segment = Segment::default();
    match wire::parse(packet, &mut segment) {
        Ok(()) => {}
        Err(PassReason::NotTcp) if wire::icmp::is_unreachable(packet) => return Ok(None),
        Err(reason) => return Ok(Some(Verdict::Pass(reason))),
    }
    let key = key_of(tables, &segment);
    let Some(flow) = tables.flow(&key) else {
        return Ok(open::is_stray(tables, &key, &segment).map(Verdict::Pass));
    };
    let direction = if segment.is_udp() {
        if udp::reopens(tables, &flow) {
            return Ok(None);
        }
        udp::follow(tables, &key, &flow, &segment)
    } else {
        if known::is_superseded(&flow, &segment) || failover::may_wish(&flow, &segment) {
            return Ok(None);
        }
        known::follow(tables, &key, &flow, &segment)
    };
    take(&flow.rewrite, direction, packet, &segment).map(Some)
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
    /// The key of the connection that the segment is of.
    key: FlowKey,
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
    // Whoever goes on here has a segment, or an error that may be about one.
    let is_error = !is_segment(packet, &mut desk.segment);
    if is_error && !failover::wishes_by_error(packet, tables, ipv4::TCP, &mut desk.wish) {
        return Ok(Verdict::Pass(PassReason::NotTcp));
    }
    desk.key = key_of(tables, &desk.segment);
    if is_error || open::wishes(tables, &desk.key, &desk.segment, &mut desk.wish) {
        match open::open(packet, tables, desk) {
            Ok(()) => return leave(packet, desk),
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
    let Desk { segment, key, path, .. } = desk;
    let is_there = if segment.is_udp() {
        udp::follow_if_there(tables, key, segment, path)
    } else {
        known::follow_if_there(tables, key, segment, path)
    };
    if is_there {
        return leave(packet, desk);
    }
    Ok(Verdict::Refuse(RefuseReason::TableFull))
}

/// Whether the packet is a segment, which is then written down.
#[inline(never)]
fn is_segment<P: Packet>(packet: &P, segment: &mut Segment) -> bool {
    wire::parse(packet, segment).is_ok()
}

/// Rewrites the packet that holds the desk's segment as its path says.
#[inline(always)]
fn leave<P: Packet>(packet: &mut P, desk: &Desk) -> Result<Verdict, DropReason> {
    if is_rewritten(packet, desk) {
        Ok(Verdict::Forward(desk.path.direction))
    } else {
        Err(DropReason::Rewrite)
    }
}

/// Has the BPF stack for itself as long as it writes.
#[inline(never)]
fn is_rewritten<P: Packet>(packet: &mut P, desk: &Desk) -> bool {
    desk.path.rewrite.apply(packet, &desk.segment).is_ok()
}

/// Rewrites the packet that holds `segment`.
#[inline(always)]
fn take<P: Packet>(
    rewrite: &Rewrite,
    direction: Direction,
    packet: &mut P,
    segment: &Segment,
) -> Result<Verdict, DropReason> {
    rewrite.apply(packet, segment).map_err(|_| DropReason::Rewrite)?;
    Ok(Verdict::Forward(direction))
}
