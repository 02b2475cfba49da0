//! Segments of our own: RSTs, and SYNs sent once more.

use zerocopy::transmute;

use crate::{
    addr::Tuple,
    be::Be16,
    checksum::Sum,
    packet::{EditError, Packet},
    wire::{
        Segment, Seq,
        eth::{self, Ethernet},
        ipv4::{self, Ipv4},
        ipv6::Ipv6,
        options::Options,
        tcp::{Flags, Tcp},
    },
};

/// A TCP segment without payload.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing {
    /// Where it comes from and goes to.
    pub tuple: Tuple,
    /// TCP control bits.
    pub flags: Flags,
    /// Its sequence number.
    pub seq: Seq,
    /// Its acknowledgement; zero without ACK.
    pub ack: Seq,
}

impl Outgoing {
    /// A RST of the connection with this `tuple`: `seq` is what the receiver expects next, `ack`
    /// what it has sent, which only one without a connection yet looks at (RFC 9293 section 3.10.7.3).
    #[inline(always)]
    pub const fn reset(tuple: Tuple, seq: Seq, ack: Seq) -> Self {
        Self { tuple, flags: Flags::RESET, seq, ack }
    }

    /// A SYN with this number.
    #[inline(always)]
    pub const fn syn(tuple: Tuple, seq: Seq) -> Self {
        Self { tuple, flags: Flags::OPEN, seq, ack: Seq::new(0) }
    }

    /// Writes the segment over `packet`, behind its Ethernet header; `sent` is then what it holds.
    #[inline(always)]
    pub fn put<P: Packet>(
        &self,
        packet: &mut P,
        options: Option<&Options>,
        sent: &mut Segment,
    ) -> Result<(), EditError> {
        let is_v4 = self.tuple.src.is_v4();
        let l3 = Ethernet::LEN;
        let l4 = l3 + if is_v4 { Ipv4::MIN_LEN } else { Ipv6::LEN };
        let options_len = options.map_or(0, Options::size);
        let segment_len = Tcp::MIN_LEN + options_len;
        // Who computes the checksum is a property of the packet that outlives its bytes.
        let to_device = packet.leaves_checksum(l4 + Tcp::CHECKSUM);
        packet.resize(l4 + segment_len)?;

        let Tuple { src, dst, sport, dport } = self.tuple;
        let ports = (sport, dport);
        let window = options.map_or(Be16::new(0), Options::window);
        let numbers = (self.seq, self.ack);
        let tcp = Tcp::new(ports, numbers, self.flags, window, options_len as u8);
        let pseudo = dst
            .add_to(src.add_to(Sum::ZERO))
            .add16(Be16::new(ipv4::TCP as u16).raw())
            .add16(Be16::new(segment_len as u16).raw());
        let words: [u32; 5] = transmute!(tcp);
        let covered = options.map_or(pseudo, |options| options.add_to(pseudo));
        let whole = words.iter().fold(covered, |sum, word| sum.add32(*word));
        let checksum = if to_device { pseudo.fold() } else { !whole.fold() };

        if is_v4 {
            packet.write(Ethernet::TYPE, &Be16::new(eth::IPV4))?;
            packet
                .write_summed(l3, &Ipv4::of_tcp(src, dst, (Ipv4::MIN_LEN + segment_len) as u16))?;
        } else {
            packet.write(Ethernet::TYPE, &Be16::new(eth::IPV6))?;
            packet.write_summed(l3, &Ipv6::new(src, dst, ipv4::TCP, segment_len as u16))?;
        }
        packet.write_summed(l4, &tcp.with_checksum(Be16::from_raw(checksum)))?;
        if let Some(options) = options {
            options.put(packet, l4 + Tcp::MIN_LEN)?;
        }
        sent.tuple = self.tuple;
        sent.protocol = ipv4::TCP;
        sent.flags = self.flags;
        sent.seq = self.seq;
        sent.ack = self.ack;
        sent.payload = 0;
        sent.l3 = l3;
        sent.l4 = l4;
        Ok(())
    }
}
