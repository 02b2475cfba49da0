//! The probe: a segment that the loader sends through a datapath that it has just attached, to see the checksum that
//! a receiver gets.
//!
//! It is rewritten as any forwarded segment is, but by a rewrite of its own, so no table is looked at and
//! nothing is counted.

use core::net::Ipv4Addr;

use crate::{
    addr::{Addr, Tuple},
    be::{Be16, Be32},
    nat::Rewrite,
    packet::{EditError, Packet},
    wire::{self, Segment},
};

/// Where a probe comes from and goes to before it is rewritten. Addresses for tests of devices (RFC 2544 appendix C.2.2),
/// which no network routes.
pub const SENT: [(Ipv4Addr, u16); 2] =
    [(Ipv4Addr::new(198, 18, 0, 1), 9), (Ipv4Addr::new(198, 18, 0, 2), 9)];

/// The same afterwards. Every word of both differs, so that no change is without effect on a checksum.
pub const RECEIVED: [(Ipv4Addr, u16); 2] =
    [(Ipv4Addr::new(198, 19, 77, 5), 40_961), (Ipv4Addr::new(198, 19, 250, 131), 517)];

/// Where bridges do not forward a frame to (IEEE 802.1Q table 8-1, "nearest bridge").
pub const GROUP: [u8; 6] = [0x01, 0x80, 0xc2, 0x00, 0x00, 0x0e];

const fn tuple([(src, sport), (dst, dport)]: [(Ipv4Addr, u16); 2]) -> Tuple {
    let (src, dst) = (Be32::new(src.to_bits()), Be32::new(dst.to_bits()));
    let (sport, dport) = (Be16::new(sport), Be16::new(dport));
    Tuple { src: Addr::v4(src), dst: Addr::v4(dst), sport, dport }
}

/// Made when it is compiled: [`Rewrite::set`] on the BPF stack leaves a pointer to it in the register of its result,
/// which the kernel refuses.
static REWRITE: Rewrite = Rewrite::new(&tuple(SENT), &tuple(RECEIVED));

/// Rewrites a probe addressed to the device, and readdresses it to [`GROUP`]. Any other frame is an error.
#[inline(always)]
pub fn rewrite<P: Packet>(packet: &mut P) -> Result<(), EditError> {
    let mut segment = Segment::default();
    wire::parse(packet, &mut segment).map_err(|_| EditError)?;
    if segment.tuple != tuple(SENT) {
        return Err(EditError);
    }
    REWRITE.apply(packet, &segment)?;
    packet.write(0, &GROUP)
}
