//! From the bytes of a frame to what the decision needs of it.

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
    },
};

/// A TCP segment, or what the first fragment of its datagram holds of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Segment {
    /// Where it comes from and goes to.
    pub tuple: Tuple,
    /// TCP control bits.
    pub flags: Flags,
    /// Sequence number of the first byte, or of the SYN.
    pub seq: Seq,
    /// The next sequence number that the sender expects; valid with ACK.
    pub ack: Seq,
    /// Bytes of TCP payload in this packet; Ethernet padding does not count.
    pub payload: u32,
    /// Hops that the packet may still take (TTL, hop limit).
    pub hops: u8,
    /// Which part of its datagram the packet holds: the whole, or the first one.
    pub fragment: Fragment,
    /// Where the IP header starts, in bytes from the start of the frame.
    pub l3: usize,
    /// Where the TCP header starts, in bytes from the start of the frame.
    pub l4: usize,
}

impl Segment {
    /// Whether it asks for a connection and is not to go any further: there is no hop left to take.
    #[inline(always)]
    pub const fn is_at_last_hop(&self) -> bool {
        self.flags.opens() && self.hops <= 1
    }

    /// The sequence number after everything in the segment: SYN and FIN take one each
    /// (RFC 9293 section 3.4).
    #[inline(always)]
    pub const fn end(&self) -> Seq {
        self.seq.plus(self.payload + self.flags.syn() as u32 + self.flags.fin() as u32)
    }
}

/// Finds the `segment` in a frame with a whole datagram, or says why the frame is not ours to touch.
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
    if !datagram.is_of(ipv4::TCP) {
        return Err(PassReason::NotTcp);
    }
    let Datagram { src, dst, fragment, hops, l4, end, .. } = datagram;
    if fragment.is_later() {
        return Err(PassReason::Fragment);
    }
    if end > packet.len() {
        return Err(PassReason::Malformed);
    }
    let cut = if fragment.is_first() { PassReason::Fragment } else { PassReason::Malformed };
    let tcp: Tcp = packet.read(l4).ok_or(cut)?;
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
    (segment.hops, segment.fragment) = (hops, fragment);
    (segment.l3, segment.l4) = (Datagram::L3, l4);
    Ok(())
}

/// Bytes that the header of a protocol takes at the least.
#[inline(always)]
pub const fn header_len(protocol: u8) -> usize {
    match protocol {
        ipv4::TCP => Tcp::MIN_LEN,
        _ => 0,
    }
}
