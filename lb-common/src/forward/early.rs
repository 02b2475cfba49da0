//! Packets that are forwarded before the kernel makes a socket buffer of them, by an XDP program in front of
//! the one that calls [`super::forward`].
//!
//! It forwards only what it is sure of: plain segments of known connections, with a checksum that is
//! there, to a next hop that is known. Everything else is left to the program behind it as if this one
//! were not there: until it is sure, nothing is written, neither to the packet nor to the tables.

use crate::{
    addr::Tuple,
    be::Be32,
    checksum::Sum,
    counter::Xdp,
    forward::{key_of, known},
    nat::Rewrite,
    packet::Packet,
    state::Flow,
    tables::Tables,
    verdict::{Direction, DropReason},
    wire::{
        self, Segment,
        eth::Ethernet,
        ipv4::{self, Ipv4},
        ipv6::Ipv6,
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
    /// The datagram's traffic class and flow label as the first word of IPv6 has them (RFC 8200 section 3); of IPv4 its
    /// type of service in the class's place.
    pub info: Be32,
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
    let mut segment = Segment::default();
    let flow = match plain(packet, tables, confirm, &mut segment) {
        Ok(found) => found,
        Err(why) => return Ok(Early::PassOn(why)),
    };
    let eth = match road(packet, &flow, &segment, find) {
        Ok(eth) => eth,
        Err(why) => return Ok(Early::PassOn(why)),
    };
    let direction = known::pass_along(tables, &flow, &segment);
    flow.rewrite.apply(packet, &segment).map_err(|_| DropReason::Rewrite)?;
    packet.write(0, &eth).map_err(|_| DropReason::Rewrite)?;
    Ok(Early::Forward(direction))
}

/// The entry of the connection that the segment in a frame is of, if the segment changes nothing but that entry.
#[inline(always)]
fn plain<P: Packet, T: Tables>(
    packet: &P,
    tables: &T,
    confirm: u32,
    segment: &mut Segment,
) -> Result<T::Ref<Flow>, Xdp> {
    wire::parse(packet, segment).map_err(|_| Xdp::Frame)?;
    if segment.is_udp() {
        return Err(Xdp::Frame);
    }
    let bare = if segment.tuple.src.is_v4() { Ipv4::MIN_LEN } else { Ipv6::LEN };
    if segment.l4 - segment.l3 != bare {
        return Err(Xdp::Frame);
    }
    let flow = tables.flow(&key_of(tables, segment)).ok_or(Xdp::Unknown)?;
    if flow.is_left_behind() {
        return Err(Xdp::Unknown);
    }
    if !known::is_plain(&flow, segment) {
        return Err(Xdp::Phase);
    }
    // A shift by more than there is would be a panic.
    let apart = (flow.last_seen.get() ^ tables.now()).checked_shr(confirm).unwrap_or(0);
    if apart != 0 { Err(Xdp::Confirm) } else { Ok(flow) }
}

/// The Ethernet header that takes the segment to its next hop, if its checksum is complete.
#[inline(always)]
fn road<P: Packet>(
    packet: &P,
    flow: &Flow,
    segment: &Segment,
    find: impl FnOnce(&P, &Hop<'_>) -> Result<Ethernet, Xdp>,
) -> Result<Ethernet, Xdp> {
    let (info, len) = datagram(packet, segment).ok_or(Xdp::Frame)?;
    let field: u16 = packet.read(segment.l4 + Tcp::CHECKSUM).ok_or(Xdp::Frame)?;
    let covered = len.checked_sub((segment.l4 - segment.l3) as u16).ok_or(Xdp::Frame)?;
    if may_be_partial(field, &segment.tuple, covered) {
        return Err(Xdp::Partial);
    }
    let eth = find(packet, &Hop { rewrite: &flow.rewrite, info, len })?;
    let before: Ethernet = packet.read(0).ok_or(Xdp::Frame)?;
    if before.dst != eth.src { Err(Xdp::OtherHost) } else { Ok(eth) }
}

/// What [`Hop`] has to say of the datagram around the segment: information of its flow, and its length.
#[inline(always)]
fn datagram<P: Packet>(packet: &P, segment: &Segment) -> Option<(Be32, u16)> {
    if segment.tuple.src.is_v4() {
        let ip: Ipv4 = packet.read(segment.l3)?;
        Some((Be32::new(u32::from(ip.tos) << Ipv6::CLASS_SHIFT), ip.total_len() as u16))
    } else {
        let ip: Ipv6 = packet.read(segment.l3)?;
        let len = u16::try_from(Ipv6::LEN + ip.payload_len()).ok()?;
        Some((ip.info(), len))
    }
}

/// Whether a checksum field may hold the pseudo-header's sum alone, uninverted, as it does where the device is
/// to sum up the rest (CHECKSUM_PARTIAL of linux/skbuff.h). One complete checksum in 65,535 looks so, too.
#[inline(always)]
fn may_be_partial(field: u16, tuple: &Tuple, len: u16) -> bool {
    let addresses = tuple.dst.add_to(tuple.src.add_to(Sum::ZERO));
    let difference = addresses.add16(!field).add16((ipv4::TCP as u16).to_be()).add16(len.to_be());
    // Zero has two representations; a sum that is not all zero comes out as this one.
    difference.fold() == u16::MAX
}

#[cfg(test)]
mod tests {
    use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
    use std::vec;

    use proptest::prelude::*;

    use super::*;
    use crate::be::Be16;

    fn tuple(src: IpAddr, dst: IpAddr) -> Tuple {
        Tuple { src: src.into(), dst: dst.into(), sport: Be16::new(1), dport: Be16::new(2) }
    }

    /// Two addresses of either family.
    fn ends() -> impl Strategy<Value = (IpAddr, IpAddr)> {
        prop_oneof![
            any::<(Ipv4Addr, Ipv4Addr)>().prop_map(|(src, dst)| (src.into(), dst.into())),
            any::<(Ipv6Addr, Ipv6Addr)>().prop_map(|(src, dst)| (src.into(), dst.into())),
        ]
    }

    /// The pseudo-header's sum, added up word by word as it lies on the wire (RFC 9293 section 3.1, RFC 8200 section
    /// 8.1).
    fn pseudo((src, dst): (IpAddr, IpAddr), len: u16) -> u16 {
        let words = |address| match address {
            IpAddr::V4(v4) => vec![v4.to_bits() >> 16, v4.to_bits() & 0xffff],
            IpAddr::V6(v6) => v6.segments().map(u32::from).to_vec(),
        };
        let mut sum: u32 = words(src).iter().chain(&words(dst)).sum::<u32>() + 6 + u32::from(len);
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        (sum as u16).to_be()
    }

    proptest! {
        #[test]
        fn a_field_that_holds_the_pseudo_headers_sum_is_never_taken_for_a_checksum(
            ends in ends(), len in 20_u16..,
        ) {
            let sum = pseudo(ends, len);
            prop_assert!(may_be_partial(sum, &tuple(ends.0, ends.1), len));
            if sum == u16::MAX {
                prop_assert!(may_be_partial(0, &tuple(ends.0, ends.1), len));
            }
        }

        #[test]
        fn any_other_field_is_taken_for_a_checksum(
            ends in ends(), len in 20_u16.., field in any::<u16>(),
        ) {
            let sum = pseudo(ends, len);
            // Both represent zero.
            let same = field == sum || (field == 0 && sum == u16::MAX);
            prop_assert_eq!(may_be_partial(field, &tuple(ends.0, ends.1), len), same);
        }
    }
}
