//! From the bytes of a frame to what the decision needs of it.

use crate::{
    addr::Tuple,
    packet::Packet,
    verdict::PassReason,
    wire::{
        eth::{self, Ethernet},
        ipv4::{self, Ipv4},
        seq::Seq,
        tcp::{Flags, Tcp},
    },
};

/// A whole TCP segment in an unfragmented IPv4 datagram.
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
    if !packet.is_for_host() {
        return Err(PassReason::OtherHost);
    }
    let eth: Ethernet = packet.read(0).ok_or(PassReason::Malformed)?;
    if packet.has_vlan_tag() {
        return Err(PassReason::Vlan);
    }
    match eth.ethertype.get() {
        eth::IPV4 => {}
        eth::VLAN => return Err(PassReason::Vlan),
        _ => return Err(PassReason::NotIpv4),
    }

    let l3 = Ethernet::LEN;
    let ip: Ipv4 = packet.read(l3).ok_or(PassReason::Malformed)?;
    let ip_header = ip.header_len();
    if ip.version() != 4 || ip_header < Ipv4::MIN_LEN {
        return Err(PassReason::Malformed);
    }
    if ip.protocol != ipv4::TCP {
        return Err(PassReason::NotTcp);
    }
    if ip.is_fragment() {
        return Err(PassReason::Fragment);
    }
    let on_wire = packet.len().saturating_sub(l3);
    let datagram = match ip.total_len() {
        0 if on_wire > Ipv4::MAX_LEN => on_wire,
        stated => stated,
    };

    let l4 = l3 + ip_header;
    let tcp: Tcp = packet.read(l4).ok_or(PassReason::Malformed)?;
    let headers = ip_header + tcp.header_len();
    if tcp.header_len() < Tcp::MIN_LEN || headers > datagram || datagram > on_wire {
        return Err(PassReason::Malformed);
    }

    segment.tuple = Tuple { src: ip.src(), dst: ip.dst(), sport: tcp.sport, dport: tcp.dport };
    segment.flags = tcp.flags();
    segment.seq = Seq::new(tcp.seq.get());
    segment.ack = Seq::new(tcp.ack.get());
    segment.payload = (datagram - headers) as u32;
    (segment.l3, segment.l4) = (l3, l4);
    Ok(())
}
