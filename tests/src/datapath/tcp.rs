//! Building TCP segments in Ethernet frames.

use std::net::SocketAddrV4;

use etherparse::{
    IpHeaders, IpNumber, Ipv4Header, NetSlice, PacketBuilder, SlicedPacket, TcpHeader,
    TransportSlice,
};

/// A TCP segment to be; checksums come from etherparse.
#[derive(Clone, Debug)]
pub struct Tcp {
    src: SocketAddrV4,
    dst: SocketAddrV4,
    flags: &'static str,
    seq: u32,
    ack: u32,
    window: u16,
    id: u16,
    payload: Vec<u8>,
    ip_options: Vec<u8>,
    tcp_options: Vec<u8>,
    padding: usize,
}

impl Tcp {
    /// Offset of the IP header checksum in a frame.
    pub const IP_CHECKSUM: usize = 14 + 10;
    /// Offset of the TCP checksum in a frame without IP options.
    pub const CHECKSUM: usize = 14 + 20 + 16;

    /// A segment with these control bits, each by its initial: `"SA"` is SYN and ACK.
    #[must_use]
    pub const fn new(src: SocketAddrV4, dst: SocketAddrV4, flags: &'static str) -> Self {
        Self {
            src,
            dst,
            flags,
            seq: 1_000_000,
            ack: 2_000_000,
            window: 64_240,
            id: 7,
            payload: Vec::new(),
            ip_options: Vec::new(),
            tcp_options: Vec::new(),
            padding: 0,
        }
    }

    /// The same segment from and to somewhere else.
    #[must_use]
    pub fn readdressed(&self, src: SocketAddrV4, dst: SocketAddrV4) -> Self {
        Self { src, dst, ..self.clone() }
    }

    /// With payload.
    #[must_use]
    pub fn payload(self, bytes: &[u8]) -> Self {
        Self { payload: bytes.to_vec(), ..self }
    }

    /// With this sequence number.
    #[must_use]
    pub fn seq(self, seq: u32) -> Self {
        Self { seq, ..self }
    }

    /// With the next numbers of this end and of the other one. A SYN comes before its end's first.
    #[must_use]
    pub fn numbered(self, ours: u32, theirs: u32) -> Self {
        let syn = u32::from(self.flags.contains('S'));
        Self { seq: ours.wrapping_sub(syn), ack: theirs, ..self }
    }

    /// With this acknowledgement.
    #[must_use]
    pub fn ack(self, ack: u32) -> Self {
        Self { ack, ..self }
    }

    /// With this window.
    #[must_use]
    pub fn window(self, window: u16) -> Self {
        Self { window, ..self }
    }

    /// With this IP identification.
    #[must_use]
    pub fn id(self, id: u16) -> Self {
        Self { id, ..self }
    }

    /// With IP options; a multiple of four bytes, at most 40.
    #[must_use]
    pub fn ip_options(self, bytes: &[u8]) -> Self {
        Self { ip_options: bytes.to_vec(), ..self }
    }

    /// With TCP options; at most 40 bytes, padded to a multiple of four.
    #[must_use]
    pub fn tcp_options(self, bytes: &[u8]) -> Self {
        Self { tcp_options: bytes.to_vec(), ..self }
    }

    /// With this many bytes behind the datagram, as a device pads short frames.
    #[must_use]
    pub fn padding(self, bytes: usize) -> Self {
        Self { padding: bytes, ..self }
    }

    /// The frame, addressed to the loopback device's MAC address.
    ///
    /// # Panics
    /// On options of a length that cannot be.
    #[must_use]
    pub fn frame(&self) -> Vec<u8> {
        let has = |flag: char| self.flags.contains(flag);
        let mut tcp = TcpHeader::new(self.src.port(), self.dst.port(), self.seq, self.window);
        (tcp.fin, tcp.syn, tcp.rst) = (has('F'), has('S'), has('R'));
        (tcp.psh, tcp.ack, tcp.urg) = (has('P'), has('A'), has('U'));
        tcp.acknowledgment_number = if tcp.ack { self.ack } else { 0 };
        tcp.set_options_raw(&self.tcp_options).expect("TCP options take at most 40 bytes");

        let (src, dst) = (self.src.ip().octets(), self.dst.ip().octets());
        let mut ip = Ipv4Header::new(0, 64, IpNumber::TCP, src, dst).expect("empty payload fits");
        ip.identification = self.id;
        ip.options = self.ip_options.as_slice().try_into().expect("whole words, at most 40 bytes");

        let mut frame = Vec::new();
        PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [0; 6])
            .ip(IpHeaders::Ipv4(ip, Default::default()))
            .tcp_header(tcp)
            .write(&mut frame, &self.payload)
            .expect("the payload fits into a datagram");
        frame.resize(frame.len() + self.padding, 0xee);
        frame
    }
}

/// Source and destination of a TCP segment or UDP datagram; `None` if the frame holds none.
#[must_use]
pub fn frame_ends(frame: &[u8]) -> Option<(SocketAddrV4, SocketAddrV4)> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let Some(NetSlice::Ipv4(ip)) = &packet.net else { return None };
    let (sport, dport) = match packet.transport.as_ref()? {
        TransportSlice::Tcp(tcp) => (tcp.source_port(), tcp.destination_port()),
        TransportSlice::Udp(udp) => (udp.source_port(), udp.destination_port()),
        TransportSlice::Icmpv4(_) | TransportSlice::Icmpv6(_) | TransportSlice::Igmp(_) => {
            return None;
        }
    };
    let ip = ip.header();
    Some((
        SocketAddrV4::new(ip.source_addr(), sport),
        SocketAddrV4::new(ip.destination_addr(), dport),
    ))
}

/// The frame with other bytes at `offset`; checksums stay as they were.
///
/// # Panics
/// If the frame ends before.
#[must_use]
pub fn patched(mut frame: Vec<u8>, offset: usize, bytes: &[u8]) -> Vec<u8> {
    frame[offset..offset + bytes.len()].copy_from_slice(bytes);
    frame
}
