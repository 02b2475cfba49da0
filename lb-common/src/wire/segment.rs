//! From the bytes of a frame to what the decision needs of it.

use crate::{
    addr::Tuple,
    packet::Packet,
    verdict::PassReason,
    wire::{
        datagram::Datagram,
        ipv4,
        seq::Seq,
        tcp::{Flags, Tcp},
        udp::Udp,
    },
};

/// A whole TCP segment, or UDP datagram, in an unfragmented IP datagram. What only TCP has is zero in UDP.
#[derive(Clone, Copy, Debug, Default)]
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
    /// Bytes of payload; Ethernet padding does not count.
    pub payload: u32,
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

    /// The sequence number after everything in the segment: SYN and FIN take one each
    /// (RFC 9293 section 3.4).
    #[inline(always)]
    pub const fn end(&self) -> Seq {
        self.seq.plus(self.payload + self.flags.syn() as u32 + self.flags.fin() as u32)
    }
}

/// Finds the `segment` in a frame, all zero before, or says why the frame is not ours to touch.
///
/// A frame that is not well formed is passed: the stack drops it and counts it
/// under the name its operators know.
#[inline(always)]
pub fn parse<P: Packet>(packet: &P, segment: &mut Segment) -> Result<(), PassReason> {
    let mut datagram = Datagram::default();
    datagram.read(packet)?;
    let Datagram { src, dst, protocol, is_fragment, l4, end } = datagram;
    if protocol != ipv4::TCP && protocol != ipv4::UDP {
        return Err(PassReason::NotTcp);
    }
    if is_fragment {
        return Err(PassReason::Fragment);
    }
    segment.protocol = protocol;
    (segment.l3, segment.l4) = (Datagram::L3, l4);
    if protocol == ipv4::UDP {
        let udp: Udp = packet.read(l4).ok_or(PassReason::Malformed)?;
        let payload = udp.payload(src, end.saturating_sub(l4)).ok_or(PassReason::Malformed)?;
        if end > packet.len() {
            return Err(PassReason::Malformed);
        }
        segment.tuple = Tuple { src, dst, sport: udp.sport, dport: udp.dport };
        segment.payload = payload as u32;
        segment.lacks_checksum = udp.lacks_checksum();
        return Ok(());
    }
    let tcp: Tcp = packet.read(l4).ok_or(PassReason::Malformed)?;
    let payload = l4 + tcp.header_len();
    if tcp.header_len() < Tcp::MIN_LEN || payload > end || end > packet.len() {
        return Err(PassReason::Malformed);
    }
    segment.tuple = Tuple { src, dst, sport: tcp.sport, dport: tcp.dport };
    segment.flags = tcp.flags();
    segment.seq = Seq::new(tcp.seq.get());
    segment.ack = Seq::new(tcp.ack.get());
    segment.payload = (end - payload) as u32;
    Ok(())
}
