//! Datagrams that come in fragments.
//!
//! The first fragment is decided about like any packet: it has the ports. When it is forwarded it is written
//! down which connection the datagram is of, and the others, which have no ports, follow it. One that comes
//! before the first is left to the stack, because it may be of the stack's own.

use crate::{
    addr::Tuple,
    be::Be16,
    counter::Event,
    forward::{Path, direct, known, open},
    packet::Packet,
    schedule::spread,
    state::{FlowKey, FragmentKey, Fragmented},
    tables::Tables,
    verdict::{DropReason, PassReason, Verdict},
    wire::{Datagram, Segment, header_len},
};

/// What a fragment has at the least: lengths but the last are in units of so many bytes.
const UNIT: usize = 8;

/// Forgets which datagram had the identification before, now that the first fragment of another one has it:
/// that one may be for the stack. Returns whether it is of a known connection.
#[inline(never)]
pub(super) fn begin<T: Tables>(tables: &T, key: &FlowKey, segment: &Segment) -> bool {
    tables.forget(&key_of(key, segment));
    known::is_there(tables, key)
}

/// Takes note of the datagram whose first fragment was just rewritten, and gives that its new identification. One that
/// goes on as it is keeps its own. Returns whether the packet could be changed.
#[inline(never)]
pub(super) fn track<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    key: &FlowKey,
    segment: &Segment,
    path: &Path,
) -> bool {
    if path.is_direct {
        let datagram = Fragmented::new(key, segment.fragment.id, tables.now());
        tables.remember(&key_of(key, segment), &datagram);
        tables.count(Event::Fragmented.into());
        return true;
    }
    let to = &path.rewrite.to;
    // Who puts it together knows datagrams by both addresses.
    let hash = spread(to.src.folded() ^ to.dst.folded().rotate_left(16));
    let Some(last) = tables.last_id(hash) else { return false };
    let mut id = tables.add32(&last, 1).wrapping_add(1);
    if to.src.is_v4() {
        id &= u16::MAX as u32;
    }
    tables.remember(&key_of(key, segment), &Fragmented::new(key, id, tables.now()));
    tables.count(Event::Fragmented.into());
    path.rewrite.renumber(packet, segment.l3, &segment.fragment, id).is_ok()
}

#[inline(always)]
const fn key_of(key: &FlowKey, segment: &Segment) -> FragmentKey {
    let FlowKey { tuple, zone, protocol, .. } = key;
    FragmentKey::new(tuple.src, tuple.dst, &segment.fragment, *zone, *protocol)
}

/// Decides about a fragment without a whole header of the protocol above.
#[inline(always)]
pub(super) fn follow<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    datagram: &Datagram,
) -> Result<Verdict, DropReason> {
    let Datagram { fragment, l4, end, .. } = datagram;
    if *l4 >= *end || *end > packet.len() {
        return Ok(Verdict::Pass(PassReason::Malformed));
    }
    if fragment.is_first() {
        return stunted(packet, tables, datagram);
    }
    let key = FragmentKey::of(datagram, tables.zone());
    let known = tables.fragmented(&key).filter(|known| known.until > tables.now());
    let Some(known) = known else { return Ok(Verdict::Pass(PassReason::Fragment)) };
    if (fragment.offset as usize) < header_len(known.protocol) {
        return Err(DropReason::FragmentOverlap);
    }
    let flow = tables.flow(&known.flow(&key)).filter(|flow| !flow.is_left_behind());
    let Some(flow) = flow else { return Ok(Verdict::Pass(PassReason::Fragment)) };
    let direction = flow.direction();
    let payload = (end - l4) as u32;
    tables.add64(&flow.payload, payload.into());
    tables.account(flow.member, direction, payload);
    let sent = if flow.is_direct() {
        direct::is_sent_on(packet, &flow.rewrite.to.dst)
    } else {
        flow.rewrite.apply_to_later(packet, Datagram::L3, fragment, known.id).is_ok()
    };
    if sent { Ok(Verdict::Forward(direction)) } else { Err(DropReason::Rewrite) }
}

/// Decides about a first fragment that ends before the header of the protocol above does. Nobody sends such
/// ones but to have the rest of the header looked at by nobody; what is the stack's is its own to judge.
#[inline(always)]
fn stunted<P: Packet, T: Tables>(
    packet: &P,
    tables: &T,
    datagram: &Datagram,
) -> Result<Verdict, DropReason> {
    let Datagram { src, dst, protocol, l4, end, .. } = *datagram;
    let ports: Option<[Be16; 2]> = packet.read(l4);
    let (Some([sport, dport]), true) = (ports, l4 + UNIT <= end) else {
        return Ok(Verdict::Pass(PassReason::Malformed));
    };
    let key = FlowKey::new(Tuple { src, dst, sport, dport }, tables.zone(), protocol);
    if known::is_there(tables, &key) || tables.vip(&open::listener(&key)).is_some() {
        return Err(DropReason::FragmentTiny);
    }
    Ok(Verdict::Pass(PassReason::NotVip))
}
