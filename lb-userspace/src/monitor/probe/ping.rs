//! PING: an ICMP or ICMPv6 echo (RFC 792, RFC 4443 section 4).

use std::sync::atomic::{AtomicU32, Ordering};

use lb_common::checksum::sum_bytes;
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::{Nets, Probe, Probed, unsent, words};
use crate::monitor::result::{CheckStatus, Outcome};

/// Tells probes apart: identifier and sequence number together.
static NEXT: AtomicU32 = AtomicU32::new(1);

/// Bytes of the message: header and payload.
const LEN: usize = 16;
const PAYLOAD: &[u8; 8] = b"qlb-ping";

/// Types of request and reply.
const V4: (u8, u8) = (8, 0);
const V6: (u8, u8) = (128, 129);

pub(super) async fn probe(probe: &Probe, nets: &Nets) -> Probed {
    let socket = nets.icmp(probe).and_then(UdpSocket::from_std).map_err(|error| unsent(&error))?;
    let is_v4 = probe.to.is_ipv4();
    let number = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let exchange = async {
        socket.send(&request(is_v4, number)).await?;
        let mut packet = [0; 2048];
        loop {
            let len = socket.recv(&mut packet).await?;
            if is_reply(is_v4, &packet[..len], number) {
                return Ok(());
            }
        }
    };
    match timeout(probe.patience(), exchange).await {
        Ok(Ok(())) => Ok(Outcome::of(CheckStatus::L4Ok, "")),
        Ok(Err(error)) => Err(Outcome::of(CheckStatus::L4Con, words(&error))),
        Err(_) => Err(Outcome::of(CheckStatus::L4Tout, "")),
    }
}

/// The kernel computes the checksum of ICMPv6.
fn request(is_v4: bool, number: [u8; 4]) -> [u8; LEN] {
    let mut message = [0; LEN];
    message[0] = if is_v4 { V4.0 } else { V6.0 };
    message[4..8].copy_from_slice(&number);
    message[8..].copy_from_slice(PAYLOAD);
    if is_v4 {
        let sum = !sum_bytes(&message).fold();
        message[2..4].copy_from_slice(&sum.to_ne_bytes());
    }
    message
}

/// Whether the packet is the answer. IPv4 comes with its header, IPv6 without.
fn is_reply(is_v4: bool, packet: &[u8], number: [u8; 4]) -> bool {
    let (start, kind) = match packet.first() {
        Some(first) if is_v4 => (usize::from(first & 0xf) * 4, V4.1),
        _ => (0, V6.1),
    };
    let Some(message) = packet.get(start..) else { return false };
    message.first() == Some(&kind) && message.get(4..8) == Some(&number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_sums_to_all_ones_and_its_own_answer_is_known() {
        let mut message = request(true, [1, 2, 3, 4]);
        let sum: u32 =
            message.chunks_exact(2).map(|w| u32::from(u16::from_be_bytes([w[0], w[1]]))).sum();
        assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
        assert!(!is_reply(false, &message, [1, 2, 3, 4]), "a request");
        message[0] = V6.1;
        assert!(is_reply(false, &message, [1, 2, 3, 4]));
        assert!(!is_reply(false, &message, [1, 2, 3, 5]));
        message[0] = V4.1;
        let packet = [&[0x46; 24][..], &message].concat();
        assert!(is_reply(true, &packet, [1, 2, 3, 4]));
        assert!(!is_reply(true, &[0x4f], [1, 2, 3, 4]));
    }
}
