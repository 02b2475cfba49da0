//! Packets that are forwarded before they come to the VIP's device, where that is a veth: at its outer end, whence they go back to
//! the bridge without having crossed into the namespace.
//!
//! Whoever stands there knows neither routes nor neighbours of the namespace. So packets go on by the MAC addresses with which the
//! kernel sent the last packet to the same destination out of the VIP's device ([`learn`]), and only for so long.
//! A retransmission goes the kernel's way: a next hop that has changed may be why it was sent. A connection that opens here whose
//! member's next hop is not known has its SYN go the kernel's way, too, where it is followed as one that has come twice.

use crate::{
    addr::Addr,
    counter::Outer,
    forward::{Desk, failover, is_rewritten, is_segment, key_of, known, open, take},
    packet::Packet,
    state::{Flow, FlowKey, HopKey, LEAP, Mode},
    tables::Tables,
    verdict::{DropReason, Verdict},
    wire::{self, Datagram, Segment, timestamp},
};

/// After so many nanoseconds one packet to a destination goes the kernel's way again. Linux wants a neighbour confirmed in 30
/// seconds, and gives up on one in 8.
const FRESH: u64 = 1 << 30;

/// After so many nanoseconds all do, until one has told. Before, no segment with payload does, because those behind it would
/// overtake it.
const LIMIT: u64 = 10 << 30;

/// After so many nanoseconds a SYN to a destination goes the kernel's way: if it is lost, its connection waits a second and goes to
/// another member, which is held against this one. Where there are few of them it does not matter what they take.
const BRIEF: u64 = 1 << 27;

/// The lowest bit of a MAC address's first byte: the address of a group (IEEE 802.3 clause 3).
const GROUP: u64 = 1;

/// So many of the lowest bits of a word are a MAC address.
const MAC_BITS: u32 = 48;
const MAC: u64 = (1 << MAC_BITS) - 1;

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Near {
    /// Rewritten, MAC addresses included: let the bridge receive it.
    Decided(Verdict),
    /// Untouched: it is decided at the VIP's device. Why is for counters only.
    PassOn(Outer),
    /// Untouched: it wants the second part, [`outer_connect`].
    Open,
}

/// Forwards a frame on its way to the VIP's device if its connection and next hop are known. The frame's own word for
/// [`Packet::is_for_host`] is not relied on.
#[inline(always)]
pub fn outer<P: Packet, T: Tables>(packet: &mut P, tables: &T) -> Result<Near, DropReason> {
    let mut segment = Segment::default();
    if wire::parse(packet, &mut segment).is_err() {
        return Ok(Near::PassOn(Outer::Frame));
    }
    let key = key_of(tables, &segment);
    let known = tables.flow(&key).filter(|flow| !flow.is_left_behind());
    let Some(flow) = known else {
        let opens = is_plain_syn(&segment)
            && mac_at(packet, 0).is_some_and(|from| may_open(tables, &key, from));
        return Ok(if opens { Near::Open } else { Near::PassOn(Outer::Unknown) });
    };
    if flow.is_direct()
        || segment.opens() && (!segment.is_udp() || segment.is_out_of_hops())
        || known::is_superseded(&flow, &segment)
        || failover::may_wish(tables, &flow, &segment)
    {
        return Ok(Near::PassOn(Outer::Opening));
    }
    if is_again(&flow, &segment) {
        return Ok(Near::PassOn(Outer::Again));
    }
    let Some(from) = mac_at(packet, 0) else { return Ok(Near::PassOn(Outer::Frame)) };
    // Nobody minds datagrams that overtake each other.
    let may_ask = segment.payload == 0 || segment.is_udp();
    let found = look(tables, &flow.rewrite.to.dst, from, LIMIT, may_ask);
    if found >> MAC_BITS != 0 {
        return Ok(Near::PassOn(reason((found >> MAC_BITS) as u32)));
    }
    if known::may_be_last(&flow, &segment) && !segment.is_udp() {
        flow.see_stamp(timestamp(packet, tables, segment.l4));
    }
    let direction = known::follow(tables, &key, &flow, &segment);
    let verdict = take(&flow.rewrite, direction, packet, &segment)?;
    // Read anew rather than kept meanwhile, because of the BPF stack.
    let from = mac_at(packet, 0).ok_or(DropReason::Rewrite)?;
    packet.write(0, &addresses(found, from)).map_err(|_| DropReason::Rewrite)?;
    Ok(Near::Decided(verdict))
}

/// The second part of [`outer`]: opens the connection of a SYN. Who is refused, or not served, is left to the device, which finds
/// the same and says so.
#[inline(always)]
pub fn outer_connect<P: Packet, T: Tables>(packet: &mut P, tables: &T) -> Result<Near, DropReason> {
    let near = tables.at_desk(|desk| open_at(packet, tables, desk));
    near.unwrap_or(Err(DropReason::Inconsistent))
}

#[inline(always)]
fn open_at<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    desk: &mut Desk,
) -> Result<Near, DropReason> {
    desk.clear();
    if !is_segment(packet, &mut desk.segment) {
        return Ok(Near::PassOn(Outer::Frame));
    }
    desk.key = key_of(tables, &desk.segment);
    desk.wish.client = desk.key;
    if open::open(packet, tables, desk).is_err() {
        return Ok(Near::PassOn(Outer::Opening));
    }
    let from = mac_at(packet, 0).ok_or(DropReason::Rewrite)?;
    let found = look(tables, &desk.path.rewrite.to.dst, from, BRIEF, false);
    if found >> MAC_BITS != 0 {
        return Ok(Near::PassOn(reason((found >> MAC_BITS) as u32)));
    }
    open::account(tables, desk);
    if !is_rewritten(packet, desk) {
        return Err(DropReason::Rewrite);
    }
    packet.write(0, &addresses(found, from)).map_err(|_| DropReason::Rewrite)?;
    Ok(Near::Decided(Verdict::Forward(desk.path.direction)))
}

/// Whether a segment is a SYN whose payload, if it has to be followed at the device, is not counted twice.
#[inline(always)]
const fn is_plain_syn(segment: &Segment) -> bool {
    segment.opens() && !segment.is_udp() && segment.payload == 0 && !segment.is_out_of_hops()
}

/// Whether the SYN of this client came to the MAC address of the VIP's device, which is `from` then, and to a listener whose
/// members answer by it. Wants to know no next hop: anybody may say to be any client. Has the BPF stack for itself as long as it looks.
#[inline(never)]
fn may_open<T: Tables>(tables: &T, client: &FlowKey, from: u64) -> bool {
    let Some(vip) = tables.vip(&open::listener(client)) else { return false };
    let Some(pool) = tables.pool(vip.pool) else { return false };
    let Some(hop) = tables.next_hop(&HopKey::new(client.tuple.src, tables.zone())) else {
        return false;
    };
    let learned = hop.learned.get();
    pool.mode() != Mode::Dsr
        && learned != 0
        && hop.from.get() == from
        && tables.now().saturating_sub(learned) <= LIMIT
}

/// Whether all that the segment holds was sent before.
#[inline(always)]
fn is_again(flow: &Flow, segment: &Segment) -> bool {
    let step = segment.end().ahead_of(flow.next());
    !segment.is_udp() && segment.payload != 0 && (step == 0 || step > LEAP)
}

/// The MAC address of the next hop of packets to `dst` that came to that of the VIP's device if `from` is that; above it the
/// number of why it is not to be used, or nothing: it was learned more than `limit` nanoseconds ago, or one in a second that `may_ask`
/// is to learn it anew. One word for both, and has the BPF stack for itself as long as it looks.
#[inline(never)]
fn look<T: Tables>(tables: &T, dst: &Addr, from: u64, limit: u64, may_ask: bool) -> u64 {
    let key = HopKey::new(*dst, tables.zone());
    let Some(hop) = tables.next_hop(&key) else {
        tables.want_next_hop(&key);
        return not(Outer::Unlearned);
    };
    let (own, learned) = (hop.from.get(), hop.learned.get());
    if learned == 0 {
        return not(Outer::Unlearned);
    }
    if own != from {
        return not(Outer::OtherHost);
    }
    let now = tables.now();
    let age = now.saturating_sub(learned);
    let asked = hop.asked.get();
    let asks = age > FRESH && may_ask && now.saturating_sub(asked) > FRESH;
    if age > limit || asks && tables.exchange64(&hop.asked, asked, now) == asked {
        return not(Outer::Confirm);
    }
    hop.to.get() & MAC
}

/// No next hop, because of this.
#[inline(always)]
const fn not(why: Outer) -> u64 {
    (why.number() as u64) << MAC_BITS
}

/// Why [`look`] says that a next hop is not to be used.
#[inline(always)]
const fn reason(number: u32) -> Outer {
    if number == Outer::OtherHost.number() {
        Outer::OtherHost
    } else if number == Outer::Confirm.number() {
        Outer::Confirm
    } else {
        Outer::Unlearned
    }
}

/// Two MAC addresses as they lie at the start of a frame.
#[inline(always)]
const fn addresses(to: u64, from: u64) -> [u32; 3] {
    let low = to | from << 48;
    [(low as u32).to_le(), ((low >> 32) as u32).to_le(), ((from >> 16) as u32).to_le()]
}

/// Takes note of the next hop of a frame that leaves by the VIP's device, if somebody wants to know it.
#[inline(always)]
pub fn learn<P: Packet, T: Tables>(packet: &P, tables: &T) {
    let mut datagram = Datagram::default();
    if datagram.read(packet).is_err() {
        return;
    }
    let (Some(to), Some(from)) = (mac_at(packet, 0), mac_at(packet, 6)) else { return };
    let Some(hop) = tables.next_hop(&HopKey::new(datagram.dst, tables.zone())) else { return };
    if to & GROUP != 0 {
        return;
    }
    if hop.to.get() != to {
        hop.to.set(to);
    }
    if hop.from.get() != from {
        hop.from.set(from);
    }
    hop.learned.set(tables.now());
}

/// The MAC address at `offset`, as [`mac_word`] has it. There are always two bytes behind.
#[inline(always)]
fn mac_at<P: Packet>(packet: &P, offset: usize) -> Option<u64> {
    let [low, high]: [u32; 2] = packet.peek(offset)?;
    let word = u64::from(u32::from_le(low)) | u64::from(u32::from_le(high)) << 32;
    Some(word & MAC)
}
