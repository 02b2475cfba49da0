//! The probe: a segment that the loader sends through a datapath that it has just attached, to see the checksum that
//! a receiver gets.
//!
//! It is rewritten as any forwarded segment is, but by a rewrite of its own, so no table is looked at and
//! nothing is counted.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{
    addr::{Addr, Tuple},
    be::Be16,
    nat::Rewrite,
    packet::{EditError, Packet},
    wire::{self, Segment},
};

/// Source and destination of a segment, each an address and a port.
pub type Ends = [(IpAddr, u16); 2];

/// What the probe of one family is. Its addresses are for tests of devices (RFC 2544 appendix C.2.2, RFC 5180 section
/// 8), which no network routes.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// Where it comes from and goes to before it is rewritten.
    pub sent: Ends,
    /// The same afterwards. All that may differ does, so that no change is without effect on a checksum.
    pub received: Ends,
}

const fn v4(last: [u8; 3], port: u16) -> (IpAddr, u16) {
    (IpAddr::V4(Ipv4Addr::new(198, last[0], last[1], last[2])), port)
}

const fn v6(last: [u16; 5], port: u16) -> (IpAddr, u16) {
    let [d, e, f, g, h] = last;
    (IpAddr::V6(Ipv6Addr::new(0x2001, 2, 0, d, e, f, g, h)), port)
}

static V4: Probe = Probe {
    sent: [v4([18, 0, 1], 9), v4([18, 0, 2], 9)],
    received: [v4([19, 77, 5], 40_961), v4([19, 250, 131], 517)],
};
static V6: Probe = Probe {
    sent: [v6([0, 0, 0, 0, 1], 9), v6([0, 0, 0, 0, 2], 9)],
    received: [
        v6([0x1d05, 0xa7c3, 0x40f1, 0x9b26, 0x3e58], 40_961),
        v6([0xe219, 0x5c07, 0x8d3a, 0x16f4, 0xb96d], 517),
    ],
};

/// Where bridges do not forward a frame to (IEEE 802.1Q table 8-1, "nearest bridge").
pub const GROUP: [u8; 6] = [0x01, 0x80, 0xc2, 0x00, 0x00, 0x0e];

impl Probe {
    /// The probe for a VIP of the family of this address.
    #[must_use]
    pub const fn of(vip: IpAddr) -> &'static Self {
        if vip.is_ipv4() { &V4 } else { &V6 }
    }
}

const fn tuple([(src, sport), (dst, dport)]: Ends) -> Tuple {
    let (sport, dport) = (Be16::new(sport), Be16::new(dport));
    Tuple { src: Addr::of(src), dst: Addr::of(dst), sport, dport }
}

/// Made when they are compiled: [`Rewrite::set`] on the BPF stack leaves a pointer to it in the register of its result,
/// which the kernel refuses.
static REWRITE_V4: Rewrite = Rewrite::new(&tuple(V4.sent), &tuple(V4.received));
static REWRITE_V6: Rewrite = Rewrite::new(&tuple(V6.sent), &tuple(V6.received));

/// Rewrites a probe addressed to the device, and readdresses it to [`GROUP`]. Any other frame is an error.
#[inline(always)]
pub fn rewrite<P: Packet>(packet: &mut P) -> Result<(), EditError> {
    let mut segment = Segment::default();
    wire::parse(packet, &mut segment).map_err(|_| EditError)?;
    if segment.tuple == tuple(V4.sent) {
        REWRITE_V4.apply(packet, &segment)?;
    } else if segment.tuple == tuple(V6.sent) {
        REWRITE_V6.apply(packet, &segment)?;
    } else {
        return Err(EditError);
    }
    packet.write(0, &GROUP)
}
