//! Checksums of a frame, computed from scratch.

use etherparse::{NetSlice, SlicedPacket, TransportSlice};

/// Which checksum of a TCP segment or UDP datagram is wrong; `None` if all are right or it is no such frame.
#[must_use]
pub fn wrong_checksum(frame: &[u8]) -> Option<String> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let transport = packet.transport.as_ref()?;
    let want = match &packet.net {
        Some(NetSlice::Ipv4(ip)) => {
            let header = ip.header();
            let (have, want) =
                (header.header_checksum(), header.to_header().calc_header_checksum());
            if !same(have, want) {
                return Some(format!("IP checksum is {have:#06x}, not {want:#06x}"));
            }
            let (src, dst) = (header.source(), header.destination());
            match transport {
                TransportSlice::Tcp(tcp) => tcp.calc_checksum_ipv4(src, dst).ok()?,
                // There is none.
                TransportSlice::Udp(udp) if udp.checksum() == 0 => return None,
                TransportSlice::Udp(udp) => {
                    udp.to_header().calc_checksum_ipv4_raw(src, dst, udp.payload()).ok()?
                }
                _ => return None,
            }
        }
        Some(NetSlice::Ipv6(ip)) => {
            let header = ip.header();
            let (src, dst) = (header.source(), header.destination());
            match transport {
                TransportSlice::Tcp(tcp) => tcp.calc_checksum_ipv6(src, dst).ok()?,
                TransportSlice::Udp(udp) => {
                    udp.to_header().calc_checksum_ipv6_raw(src, dst, udp.payload()).ok()?
                }
                _ => return None,
            }
        }
        Some(NetSlice::Arp(_)) | None => return None,
    };
    let (name, have) = match transport {
        TransportSlice::Tcp(tcp) => ("TCP", tcp.checksum()),
        TransportSlice::Udp(udp) => ("UDP", udp.checksum()),
        _ => return None,
    };
    // Zero is not the same as all ones in UDP.
    let same = if name == "UDP" { have == want } else { same(have, want) };
    (!same).then(|| format!("{name} checksum is {have:#06x}, not {want:#06x}"))
}

/// Zero has two representations in one's complement (RFC 1624 section 3).
const fn same(have: u16, want: u16) -> bool {
    have == want || (have == 0xffff && want == 0)
}
