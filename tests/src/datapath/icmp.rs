//! Building ICMP errors in Ethernet frames.

use std::net::Ipv4Addr;

use etherparse::{Icmpv4Type, PacketBuilder, icmpv4::DestUnreachableHeader};

/// "Destination unreachable" from `host`, about the datagram in `frame`, of which it quotes `bytes`.
///
/// # Panics
/// If the frame is shorter than that.
#[must_use]
pub fn unreachable(
    host: Ipv4Addr,
    to: Ipv4Addr,
    why: &DestUnreachableHeader,
    frame: &[u8],
    bytes: usize,
) -> Vec<u8> {
    let kind = Icmpv4Type::DestinationUnreachable(why.clone());
    icmp_error(host, to, &kind, frame, bytes)
}

/// An error of any kind from `host`, about the datagram in `frame`, of which it quotes `bytes`.
///
/// # Panics
/// If the frame is shorter than that.
#[must_use]
pub fn icmp_error(
    host: Ipv4Addr,
    to: Ipv4Addr,
    kind: &Icmpv4Type,
    frame: &[u8],
    bytes: usize,
) -> Vec<u8> {
    let mut error = Vec::new();
    PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [0; 6])
        .ipv4(host.octets(), to.octets(), 64)
        .icmpv4(kind.clone())
        .write(&mut error, &frame[14..14 + bytes])
        .expect("an error fits into a datagram");
    error
}
