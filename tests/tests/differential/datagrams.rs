//! UDP datagrams at random.

use std::net::SocketAddrV4;

use lb_tests::datapath::{Action, LISTENER, Udp};

use crate::generate::Story;

/// Where the header begins in a frame without IP options.
const UDP: usize = 14 + 20;

/// Clients that have asked before and do so after a change of members.
const AGAIN: usize = 4;

impl Story {
    /// Lets some of the clients that were sent to a member ask again next, if they speak UDP: their member may be
    /// gone.
    pub(crate) fn ask_again(&mut self) {
        if self.is_udp {
            let clients = self.seen.iter().rev().take(AGAIN).map(|seen| seen.client);
            let ask = |client| Action::Frame(Udp::new(client, LISTENER).frame());
            self.next.extend(clients.map(ask));
        }
    }

    /// A datagram between these ends, with or without what one may have.
    pub(crate) fn whole_datagram(&mut self, src: SocketAddrV4, dst: SocketAddrV4) -> Udp {
        let random = &mut self.random;
        let payload = match random.below(4) {
            0 => random.below(1460),
            1 => 0,
            _ => random.below(10),
        };
        let mut udp = Udp::new(src, dst).payload(&random.bytes(payload));
        if random.once_in(6) {
            udp = udp.unsummed();
        }
        if random.once_in(12) {
            udp = udp.ip_options(&vec![1; 4 * (1 + random.below(10))]);
        }
        if random.once_in(6) { udp.padding(random.below(20)) } else { udp }
    }

    /// A datagram between these ends, with whatever may be wrong with one.
    pub(crate) fn datagram(&mut self, src: SocketAddrV4, dst: SocketAddrV4) -> Vec<u8> {
        let mut frame = self.whole_datagram(src, dst).frame();
        let random = &mut self.random;
        match random.below(40) {
            // A length that lies, a checksum in a corner, a bit that has changed, an end that is missing.
            0 => {
                let length = u16::from_be_bytes([frame[UDP + 4], frame[UDP + 5]]);
                let length = random.among(&[0, 7, 8, 9, length.wrapping_sub(1), length + 1]);
                frame[UDP + 4..UDP + 6].copy_from_slice(&length.to_be_bytes());
            }
            1 => frame[UDP + 6..UDP + 8].copy_from_slice(&random.among(&[[0; 2], [0xff; 2]])),
            2 => {
                let at = random.below(frame.len().min(UDP + 8));
                frame[at] ^= 1 << random.below(8);
            }
            3 => frame.truncate(UDP + random.below(frame.len() - UDP)),
            _ => {}
        }
        frame
    }
}
