//! From the bytes of a frame to what the decision needs of it.

use zerocopy::FromZeros;

use crate::{
    addr::Tuple,
    packet::Packet,
    verdict::PassReason,
    wire::{
        Fragment,
        datagram::Datagram,
        ipv4,
        seq::Seq,
        tcp::{Flags, Tcp},
        udp::Udp,
    },
};

/// A TCP segment or UDP datagram, or what the first fragment of its IP datagram holds of it. What only TCP has is
/// zero in UDP.
#[derive(Clone, Copy, Debug, Default, FromZeros)]
pub struct Segment {
    /// Where it comes from and goes to.
    pub tuple: Tuple,
    /// IP protocol number: that of TCP or of UDP.
    pub protocol: u8,
    /// TCP control bits.
    pub flags: Flags,
    /// Sequence number of the first byte, or of the SYN.
    pub seq: Seq,
    /// The next sequence number that the sender expects; valid with ACK.
    pub ack: Seq,
    /// Bytes of payload in this packet; Ethernet padding does not count.
    pub payload: u32,
    /// Hops that the packet may still take (TTL, hop limit).
    pub hops: u8,
    /// Which part of its datagram the packet holds: the whole, or the first one.
    pub fragment: Fragment,
    /// Where the IP header starts, in bytes from the start of the frame.
    pub l3: usize,
    /// Where the TCP or UDP header starts, in bytes from the start of the frame.
    pub l4: usize,
    /// Whether its sender has left out the checksum, which UDP over IPv4 may (RFC 768).
    pub lacks_checksum: bool,
}

impl Segment {
    /// Whether it is a UDP datagram.
    #[inline(always)]
    pub const fn is_udp(&self) -> bool {
        self.protocol == ipv4::UDP
    }

    /// Whether it may open a connection: a SYN, or any datagram.
    #[inline(always)]
    pub const fn opens(&self) -> bool {
        self.is_udp() || self.flags.opens()
    }

    /// Where the checksum lies, in bytes from the start of the frame.
    #[inline(always)]
    pub const fn checksum(&self) -> usize {
        self.l4 + if self.is_udp() { Udp::CHECKSUM } else { Tcp::CHECKSUM }
    }

    /// Whether it may open a connection and is not to go any further, because it has no hop left. With the last
    /// one it may still go to a member: who is not a router does not look (RFC 1122 section 3.2.1.7, RFC 8200
    /// section 3), and a router between says that the way ends at the VIP.
    #[inline(always)]
    pub const fn is_out_of_hops(&self) -> bool {
        self.opens() && self.hops == 0
    }

    /// The sequence number after everything in the segment: SYN and FIN take one each
    /// (RFC 9293 section 3.4).
    #[inline(always)]
    pub const fn end(&self) -> Seq {
        self.seq.plus(self.payload + self.flags.syn() as u32 + self.flags.fin() as u32)
    }
}

/// Finds the `segment`, all zero before, in a frame with a whole datagram, or says why the frame is not ours to touch.
///
/// A frame that is not well formed is passed: the stack drops it and counts it
/// under the name its operators know.
#[inline(always)]
pub fn parse<P: Packet>(packet: &P, segment: &mut Segment) -> Result<(), PassReason> {
    parse_first(packet, segment)?;
    if segment.fragment.is_part() { Err(PassReason::Fragment) } else { Ok(()) }
}

/// The same, also in a first fragment. [`PassReason::Fragment`] is then of fragments without a whole TCP header:
/// for whom they are, others of their datagram say, or the ports alone.
#[inline(always)]
pub fn parse_first<P: Packet>(packet: &P, segment: &mut Segment) -> Result<(), PassReason> {
    let mut datagram = Datagram::default();
    datagram.read(packet)?;
    if !datagram.is_of(ipv4::TCP) && !datagram.is_of(ipv4::UDP) {
        return Err(PassReason::NotTcp);
    }
    let Datagram { src, dst, fragment, hops, l4, end, .. } = datagram;
    if fragment.is_later() {
        return Err(PassReason::Fragment);
    }
    if end > packet.len() {
        return Err(PassReason::Malformed);
    }
    segment.protocol = datagram.protocol;
    (segment.hops, segment.fragment) = (hops, fragment);
    (segment.l3, segment.l4) = (Datagram::L3, l4);
    if datagram.protocol == ipv4::UDP {
        return read_udp(packet, &datagram, segment);
    }
    let cut = if fragment.is_first() { PassReason::Fragment } else { PassReason::Malformed };
    let tcp: Tcp = packet.peek(l4).ok_or(cut)?;
    let payload = l4 + tcp.header_len();
    if tcp.header_len() < Tcp::MIN_LEN {
        return Err(PassReason::Malformed);
    }
    if payload > end {
        return Err(cut);
    }
    segment.tuple = Tuple { src, dst, sport: tcp.sport, dport: tcp.dport };
    segment.flags = tcp.flags();
    segment.seq = Seq::new(tcp.seq.get());
    segment.ack = Seq::new(tcp.ack.get());
    segment.payload = (end - payload) as u32;
    Ok(())
}

/// The rest of it where the `datagram` is UDP.
#[inline(always)]
fn read_udp<P: Packet>(
    packet: &P,
    datagram: &Datagram,
    segment: &mut Segment,
) -> Result<(), PassReason> {
    let Datagram { src, dst, fragment, l4, end, .. } = *datagram;
    let cut = if fragment.is_first() { PassReason::Fragment } else { PassReason::Malformed };
    let room = end.saturating_sub(l4);
    let udp: Udp = packet.peek(l4).filter(|_| room >= Udp::LEN).ok_or(cut)?;
    // The length is of the whole, of which only a part is here.
    let payload =
        if fragment.is_first() { udp.payload_of_first(src, room) } else { udp.payload(src, room) };
    segment.tuple = Tuple { src, dst, sport: udp.sport, dport: udp.dport };
    segment.payload = payload.ok_or(PassReason::Malformed)? as u32;
    segment.lacks_checksum = udp.lacks_checksum();
    Ok(())
}

/// Bytes that the header of a protocol takes at the least.
#[inline(always)]
pub const fn header_len(protocol: u8) -> usize {
    match protocol {
        ipv4::TCP => Tcp::MIN_LEN,
        ipv4::UDP => Udp::LEN,
        _ => 0,
    }
}
