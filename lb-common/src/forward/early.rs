//! Packets that are forwarded before the kernel makes a socket buffer of them, by an XDP program in front of
//! the one that calls [`super::forward`].
//!
//! It forwards only what it is sure of: plain segments of known connections, with a checksum that is
//! there, to a next hop that is known. Everything else is left to the program behind it as if this one
//! were not there: until it is sure, nothing is written, neither to the packet nor to the tables.

use crate::{
    addr::Tuple,
    checksum::Sum,
    counter::Xdp,
    forward::known,
    nat::Rewrite,
    packet::Packet,
    state::{Flow, FlowKey},
    tables::Tables,
    verdict::{Direction, DropReason},
    wire::{
        self, Segment,
        eth::Ethernet,
        ipv4::{self, Ipv4},
        tcp::Tcp,
    },
};

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Early {
    /// Rewritten, MAC addresses included: send it out of the device it came from.
    Forward(Direction),
    /// Untouched: the program behind decides. Why is for counters only.
    PassOn(Xdp),
}

/// What a look-up of the next hop needs to know of the packet.
#[derive(Clone, Copy, Debug)]
pub struct Hop<'a> {
    /// Addresses and ports as they will be.
    pub rewrite: &'a Rewrite,
    /// The datagram's type of service.
    pub tos: u8,
    /// The datagram's length in bytes.
    pub len: u16,
}

/// Forwards a frame that came in on a VIP's device if that is surely right.
///
/// `find` answers the Ethernet header to the next hop, or why there is none; its source is the MAC address of
/// the device. The frame's own word for [`Packet::is_for_host`] is not relied on.
///
/// Once in each `2^confirm` nanoseconds a direction of a connection passes on a packet whatever it is:
/// forwarded here alone, none would ever make the kernel confirm that the neighbour is still there.
#[inline(always)]
pub fn early<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    confirm: u32,
    find: impl FnOnce(&P, &Hop<'_>) -> Result<Ethernet, Xdp>,
) -> Result<Early, DropReason> {
    let (segment, flow) = match plain(packet, tables, confirm) {
        Ok(found) => found,
        Err(why) => return Ok(Early::PassOn(why)),
    };
    let eth = match road(packet, &flow, &segment, find) {
        Ok(eth) => eth,
        Err(why) => return Ok(Early::PassOn(why)),
    };
    let path = known::pass_along(tables, &flow, &segment);
    path.take(packet, &segment)?;
    packet.write(0, &eth).map_err(|_| DropReason::Rewrite)?;
    Ok(Early::Forward(path.direction))
}

/// The segment in a frame and its connection's entry, if the segment changes nothing but that entry.
#[inline(always)]
fn plain<P: Packet, T: Tables>(
    packet: &P,
    tables: &T,
    confirm: u32,
) -> Result<(Segment, T::Ref<Flow>), Xdp> {
    let segment = wire::parse(packet).map_err(|_| Xdp::Frame)?;
    if segment.l4 - segment.l3 != Ipv4::MIN_LEN {
        return Err(Xdp::Frame);
    }
    let key = FlowKey::new(segment.tuple, tables.zone(), ipv4::TCP);
    let flow = tables.flow(&key).ok_or(Xdp::Unknown)?;
    if !known::is_plain(&flow, &segment) {
        return Err(Xdp::Phase);
    }
    // A shift by more than there is would be a panic.
    let apart = (flow.last_seen.get() ^ tables.now()).checked_shr(confirm).unwrap_or(0);
    if apart != 0 { Err(Xdp::Confirm) } else { Ok((segment, flow)) }
}

/// The Ethernet header that takes the segment to its next hop, if its checksum is complete.
#[inline(always)]
fn road<P: Packet>(
    packet: &P,
    flow: &Flow,
    segment: &Segment,
    find: impl FnOnce(&P, &Hop<'_>) -> Result<Ethernet, Xdp>,
) -> Result<Ethernet, Xdp> {
    let ip: Ipv4 = packet.read(segment.l3).ok_or(Xdp::Frame)?;
    let field: u16 = packet.read(segment.l4 + Tcp::CHECKSUM).ok_or(Xdp::Frame)?;
    let len = ip.total_len() as u16;
    let covered = len.checked_sub(Ipv4::MIN_LEN as u16).ok_or(Xdp::Frame)?;
    if may_be_partial(field, &segment.tuple, covered) {
        return Err(Xdp::Partial);
    }
    let eth = find(packet, &Hop { rewrite: &flow.rewrite, tos: ip.tos, len })?;
    let before: Ethernet = packet.read(0).ok_or(Xdp::Frame)?;
    if before.dst != eth.src { Err(Xdp::OtherHost) } else { Ok(eth) }
}

/// Whether a checksum field may hold the pseudo-header's sum alone, uninverted, as it does where the device is
/// to sum up the rest (CHECKSUM_PARTIAL of linux/skbuff.h). One complete checksum in 65,535 looks so, too.
#[inline(always)]
fn may_be_partial(field: u16, tuple: &Tuple, len: u16) -> bool {
    let difference = Sum::ZERO
        .add16(!field)
        .add32(tuple.src.raw())
        .add32(tuple.dst.raw())
        .add16((ipv4::TCP as u16).to_be())
        .add16(len.to_be());
    // Zero has two representations; a sum that is not all zero comes out as this one.
    difference.fold() == u16::MAX
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;
    use crate::be::Be16;

    fn tuple(src: u32, dst: u32) -> Tuple {
        let (src, dst) = (Ipv4Addr::from_bits(src).into(), Ipv4Addr::from_bits(dst).into());
        Tuple { src, dst, sport: Be16::new(1), dport: Be16::new(2) }
    }

    /// The pseudo-header's sum, added up word by word as it lies on the wire (RFC 9293 section 3.1).
    fn pseudo(src: u32, dst: u32, len: u16) -> u16 {
        let words = [src >> 16, src & 0xffff, dst >> 16, dst & 0xffff, 6, len.into()];
        let mut sum: u32 = words.iter().sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        (sum as u16).to_be()
    }

    proptest! {
        #[test]
        fn a_field_that_holds_the_pseudo_headers_sum_is_never_taken_for_a_checksum(
            src in any::<u32>(), dst in any::<u32>(), len in 20_u16..,
        ) {
            let sum = pseudo(src, dst, len);
            prop_assert!(may_be_partial(sum, &tuple(src, dst), len));
            if sum == u16::MAX {
                prop_assert!(may_be_partial(0, &tuple(src, dst), len));
            }
        }

        #[test]
        fn any_other_field_is_taken_for_a_checksum(
            src in any::<u32>(), dst in any::<u32>(), len in 20_u16.., field in any::<u16>(),
        ) {
            let sum = pseudo(src, dst, len);
            // Both represent zero.
            let same = field == sum || (field == 0 && sum == u16::MAX);
            prop_assert_eq!(may_be_partial(field, &tuple(src, dst), len), same);
        }
    }
}
