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
    },
};

/// A whole TCP segment in an unfragmented datagram.
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
    /// Bytes of TCP payload; Ethernet padding does not count.
    pub payload: u32,
    /// Where the IP header starts, in bytes from the start of the frame.
    pub l3: usize,
    /// Where the TCP header starts, in bytes from the start of the frame.
    pub l4: usize,
}

impl Segment {
    /// The sequence number after everything in the segment: SYN and FIN take one each
    /// (RFC 9293 section 3.4).
    #[inline(always)]
    pub const fn end(&self) -> Seq {
        self.seq.plus(self.payload + self.flags.syn() as u32 + self.flags.fin() as u32)
    }
}

/// Finds the `segment` in a frame, or says why the frame is not ours to touch.
///
/// A frame that is not well formed is passed: the stack drops it and counts it
/// under the name its operators know.
#[inline(always)]
pub fn parse<P: Packet>(packet: &P, segment: &mut Segment) -> Result<(), PassReason> {
    let mut datagram = Datagram::default();
    datagram.read(packet)?;
    let Datagram { src, dst, protocol, is_fragment, l4, end } = datagram;
    if protocol != ipv4::TCP {
        return Err(PassReason::NotTcp);
    }
    if is_fragment {
        return Err(PassReason::Fragment);
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
    (segment.l3, segment.l4) = (Datagram::L3, l4);
    Ok(())
}
