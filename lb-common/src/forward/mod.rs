//! Where a packet is decided.
//!
//! One look-up decides for packets of a known connection ([`known`]); a packet without
//! one either opens a connection ([`open`]) or is not ours. A few packets of known connections are
//! news of members that do not accept ([`failover`]): they open the connection once more. ICMP errors
//! about their segments go on to the end that they concern ([`report`]). A SYN on a connection that is
//! open is answered here, to find out whether its client has forgotten that ([`challenge`]).
//!
//! Functions that are not in line have their part of the BPF stack only while they run. They return
//! plain numbers: types of results in their signatures make type information that the kernel refuses.

use zerocopy::FromZeros;

mod admit;
mod challenge;
mod direct;
mod early;
mod eject;
mod failover;
mod fragment;
mod keep;
mod known;
mod open;
mod outer;
mod persist;
mod report;
mod reserve;
mod route;
mod search;
mod udp;
mod waiting;

use crate::{
    addr::Tuple,
    event,
    nat::{self, Rewrite},
    packet::Packet,
    ports,
    route::Answer,
    schedule::Avoid,
    state::FlowKey,
    tables::Tables,
    verdict::{Direction, DropReason, PassReason, RefuseReason, Verdict},
    wire::{self, Datagram, IcmpError, Segment},
};
pub use early::{Early, Hop, early};
use open::{Unconnected, Wish};
pub use outer::{Near, learn, outer, outer_connect};
use reserve::Goal;

pub use route::route;

/// The key of the connection that a segment is of.
#[inline(always)]
fn key_of<T: Tables>(tables: &T, segment: &Segment) -> FlowKey {
    FlowKey::new(segment.tuple, tables.zone(), segment.protocol)
}

/// A packet on its way: how it is rewritten and where it then goes.
#[derive(Default, FromZeros)]
struct Path {
    rewrite: Rewrite,
    direction: Direction,
    /// Whether the packet stays as it is, and goes to the member as its next hop.
    is_direct: bool,
}

/// What becomes of a packet that is not forwarded.
type Declined = Result<Verdict, DropReason>;

/// Decides about a frame that came in on a VIP's device, rewriting it if it is forwarded.
///
/// A packet that is neither forwarded nor dropped is unchanged.
pub fn forward<P: Packet, T: Tables>(packet: &mut P, tables: &T) -> Result<Verdict, DropReason> {
    if let Some(verdict) = established(packet, tables)? {
        return Ok(verdict);
    }
    match connect(packet, tables)? {
        Some(verdict) => Ok(verdict),
        None => finish(packet, tables),
    }
}

/// The first part of [`forward`], enough for nearly every packet: those of known connections, and those
/// that are not ours. No fragment is among them, and nothing of a connection that is direct. `None` wants the second
/// part, [`connect`].
///
/// Parts because the BPF stack is small: each is a program of its own.
#[inline(always)]
pub fn established<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
) -> Result<Option<Verdict>, DropReason> {
    let mut segment = Segment::default();
    match wire::parse(packet, &mut segment) {
        Ok(()) => {}
        Err(PassReason::Fragment) => return Ok(None),
        Err(PassReason::NotTcp) if wire::icmp::is_error(packet) => return Ok(None),
        Err(reason) => return Ok(Some(Verdict::Pass(reason))),
    }
    let key = key_of(tables, &segment);
    let known = tables.flow(&key).filter(|flow| !flow.is_left_behind());
    let Some(flow) = known else {
        // It may be our own, to the client of one that is direct.
        if segment.flags.rst() {
            return Ok(None);
        }
        return Ok(open::is_stray(tables, &key, &segment).map(Verdict::Pass));
    };
    if flow.is_direct()
        || segment.is_out_of_hops() && !flow.is_from_member()
        || known::is_superseded(&flow, &segment)
        || known::may_be_last(&flow, &segment)
        || failover::may_wish(tables, &flow, &segment)
    {
        return Ok(None);
    }
    let direction = known::follow(tables, &key, &flow, &segment);
    take(&flow.rewrite, direction, packet, &segment).map(Some)
}

/// The second part of [`forward`]: connections that open, or open once more, the last packets of clients, which
/// tell when their port may be used again, and first fragments. `None` wants the third, [`finish`].
#[inline(always)]
pub fn connect<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
) -> Result<Option<Verdict>, DropReason> {
    let verdict = tables.at_desk(|desk| connect_at(packet, tables, desk));
    verdict.unwrap_or(Err(DropReason::Inconsistent))
}

/// The third part of [`forward`]: ICMP errors about connections, SYNs of clients whose connection is open, and
/// fragments that follow their first.
#[inline(always)]
pub fn finish<P: Packet, T: Tables>(packet: &mut P, tables: &T) -> Result<Verdict, DropReason> {
    let verdict = tables.at_desk(|desk| {
        desk.segment = Segment::default();
        if is_segment(packet, &mut desk.segment) {
            return challenge::answer(packet, tables, &mut desk.segment);
        }
        if is_fragment(packet, &mut desk.datagram) {
            return fragment::follow(packet, tables, &desk.datagram);
        }
        report::report(packet, tables, &desk.datagram, &mut desk.error)
    });
    verdict.unwrap_or(Err(DropReason::Inconsistent))
}

/// What lies about while a connection opens, or an error is looked at. Too much for the BPF stack.
#[derive(Default, FromZeros)]
pub struct Desk {
    segment: Segment,
    /// The key of the connection that the segment is of.
    key: FlowKey,
    wish: Wish,
    goal: Goal,
    path: Path,
    /// What the packet is if it is no segment.
    error: IcmpError,
    /// What that is in.
    datagram: Datagram,
    /// To [`route()`], which has no path.
    answer: Answer,
}

impl Desk {
    /// Makes it as if nothing had ever lain there: in a few instructions, because nearly all of it is zero then.
    #[inline(always)]
    fn clear(&mut self) {
        *self = Self::new_zeroed();
        self.wish.avoid = Avoid::NONE;
        self.answer = Answer::default();
    }
}

#[inline(always)]
fn connect_at<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    desk: &mut Desk,
) -> Result<Option<Verdict>, DropReason> {
    desk.clear();
    // Whoever goes on here has a segment, or an error that may be about one.
    let is_error = !is_segment(packet, &mut desk.segment);
    if is_error && !failover::wishes_by_error(packet, tables, &mut desk.wish) {
        return Ok(None);
    }
    desk.key = key_of(tables, &desk.segment);
    // Of others [`established`] has seen to this.
    if desk.segment.fragment.is_first()
        && !fragment::begin(tables, &desk.key, &desk.segment)
        && let Some(reason) = open::is_stray(tables, &desk.key, &desk.segment)
    {
        return Ok(Some(Verdict::Pass(reason)));
    }
    if desk.segment.flags.rst() && !known::is_there(tables, &desk.key) {
        if direct::is_reset(tables, &desk.key) {
            return Ok(Some(Verdict::Forward(Direction::ToClient)));
        }
        if let Some(reason) = open::is_stray(tables, &desk.key, &desk.segment) {
            return Ok(Some(Verdict::Pass(reason)));
        }
    }
    if desk.segment.is_out_of_hops() && !known::is_of_member(tables, &desk.key) {
        return Err(DropReason::HopLimit);
    }
    if is_error || open::wishes(packet, tables, &desk.key, &desk.segment, &mut desk.wish) {
        let opened = open::open(packet, tables, desk);
        if desk.wish.former != Tuple::default() {
            vacate_former(tables, &desk.wish);
        }
        match opened {
            Ok(()) => {
                open::account(tables, desk);
                return leave(packet, tables, desk).map(Some);
            }
            Err(Unconnected::Declined(declined)) => {
                if let Ok(Verdict::Refuse(reason)) = declined {
                    event::refused(tables, &desk.wish.client, reason.number());
                    open::note_refusal(tables, &desk.wish.client, false);
                } else if declined == Err(DropReason::NotAllowed) {
                    open::note_refusal(tables, &desk.wish.client, true);
                }
                return declined.map(Some);
            }
            Err(Unconnected::Stays) if is_error => return Ok(None),
            Err(Unconnected::Stays) => {}
        }
    }
    if known::is_doubtful_at(tables, &desk.key, &desk.segment) {
        return Ok(None);
    }
    known::note_stamp(packet, tables, &desk.key, &desk.segment);
    if known::follow_if_there(tables, &desk.key, &desk.segment, &mut desk.path) {
        if desk.path.is_direct {
            direct::follow_if_there(tables, &desk.key, &desk.segment);
        }
        return leave(packet, tables, desk).map(Some);
    }
    Ok(Some(Verdict::Refuse(RefuseReason::TableFull)))
}

/// Frees the port that a connection had before the client began it anew, if it still has that.
#[inline(never)]
fn vacate_former<T: Tables>(tables: &T, wish: &Wish) {
    let (answers, client) = (wish.former.reversed(), &wish.client);
    ports::vacate(tables, &FlowKey::new(answers, client.zone, client.protocol), false);
}

/// Whether the packet is a segment, or a first fragment of one, which is then written down.
#[inline(never)]
fn is_segment<P: Packet>(packet: &P, segment: &mut Segment) -> bool {
    wire::parse_first(packet, segment).is_ok()
}

/// Whether the packet is a fragment, which is then written down.
#[inline(never)]
fn is_fragment<P: Packet>(packet: &P, datagram: &mut Datagram) -> bool {
    *datagram = Datagram::default();
    datagram.read(packet).is_ok() && datagram.fragment.is_part()
}

/// Rewrites the packet that holds the desk's segment as its path says.
#[inline(always)]
fn leave<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    desk: &Desk,
) -> Result<Verdict, DropReason> {
    let Desk { key, segment, path, .. } = desk;
    let whole = !segment.fragment.is_first();
    if is_rewritten(packet, desk) && (whole || fragment::track(packet, tables, key, segment, path))
    {
        Ok(Verdict::Forward(path.direction))
    } else {
        Err(DropReason::Rewrite)
    }
}

/// Has the BPF stack for itself as long as it writes.
#[inline(never)]
fn is_rewritten<P: Packet>(packet: &mut P, desk: &Desk) -> bool {
    let Desk { segment, path, .. } = desk;
    // Whoever is sent round in a circle comes to the end of it.
    let circles = segment.opens() && path.direction == Direction::ToMember;
    let sent = if path.is_direct {
        direct::is_sent_on(packet, &path.rewrite.to.dst)
    } else {
        path.rewrite.apply(packet, segment).is_ok()
    };
    sent && (!circles || nat::take_hop(packet, segment.l3, segment.tuple.src.is_v4()).is_ok())
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
    // A SYN has gone another way.
    let circles = segment.is_udp() && direction == Direction::ToMember;
    if circles && !is_hop_taken(packet, segment.l3, segment.tuple.src.is_v4()) {
        return Err(DropReason::Rewrite);
    }
    Ok(Verdict::Forward(direction))
}

/// Takes a hop of the packet with its IP header at `l3`; returns whether that was possible. Has the BPF stack for itself
/// as long as it does.
#[inline(never)]
fn is_hop_taken<P: Packet>(packet: &mut P, l3: usize, v4: bool) -> bool {
    nat::take_hop(packet, l3, v4).is_ok()
}
