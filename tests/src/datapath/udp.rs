//! Building UDP datagrams in Ethernet frames.

use std::net::SocketAddrV4;

use etherparse::{IpHeaders, IpNumber, Ipv4Header, PacketBuilder};

/// A UDP datagram to be; its checksum comes from etherparse unless it is to have none.
#[derive(Clone, Debug)]
pub struct Udp {
    src: SocketAddrV4,
    dst: SocketAddrV4,
    payload: Vec<u8>,
    ip_options: Vec<u8>,
    padding: usize,
    unsummed: bool,
    hops: u8,
}

impl Udp {
    /// Offset of the length in a frame without IP options.
    pub const LENGTH: usize = 14 + 20 + 4;
    /// Offset of the checksum in a frame without IP options.
    pub const CHECKSUM: usize = 14 + 20 + 6;

    /// An empty datagram.
    #[must_use]
    pub const fn new(src: SocketAddrV4, dst: SocketAddrV4) -> Self {
        Self {
            src,
            dst,
            payload: Vec::new(),
            ip_options: Vec::new(),
            padding: 0,
            unsummed: false,
            hops: 64,
        }
    }

    /// The same datagram from and to somewhere else.
    #[must_use]
    pub fn readdressed(&self, src: SocketAddrV4, dst: SocketAddrV4) -> Self {
        Self { src, dst, ..self.clone() }
    }

    /// With payload.
    #[must_use]
    pub fn payload(self, bytes: &[u8]) -> Self {
        Self { payload: bytes.to_vec(), ..self }
    }

    /// Without a checksum, which IPv4 allows.
    #[must_use]
    pub fn unsummed(self) -> Self {
        Self { unsummed: true, ..self }
    }

    /// With so many hops that it may still take (TTL, hop limit).
    #[must_use]
    pub fn hops(self, hops: u8) -> Self {
        Self { hops, ..self }
    }

    /// With IP options; a multiple of four bytes, at most 40.
    #[must_use]
    pub fn ip_options(self, bytes: &[u8]) -> Self {
        Self { ip_options: bytes.to_vec(), ..self }
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
        let (src, dst) = (self.src.ip().octets(), self.dst.ip().octets());
        let mut ip =
            Ipv4Header::new(0, self.hops, IpNumber::UDP, src, dst).expect("empty payload fits");
        ip.identification = 7;
        ip.options = self.ip_options.as_slice().try_into().expect("whole words, at most 40 bytes");
        let at = 14 + ip.header_len() + 6;
        let mut frame = Vec::new();
        PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [0; 6])
            .ip(IpHeaders::Ipv4(ip, Default::default()))
            .udp(self.src.port(), self.dst.port())
            .write(&mut frame, &self.payload)
            .expect("the payload fits into a datagram");
        if self.unsummed {
            frame[at..at + 2].fill(0);
        }
        frame.resize(frame.len() + self.padding, 0xee);
        frame
    }
}
