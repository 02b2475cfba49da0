//! The frames of connections.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::code::Advance;
use crate::datapath::{CLIENT_SEQ, Family, LISTENER, MEMBER_SEQ, Tcp, left_to_device};

/// Options of a SYN as Linux sends it.
const SYN_OPTIONS: [u8; 20] = [2, 4, 5, 180, 4, 2, 8, 10, 0, 1, 2, 3, 0, 0, 0, 0, 1, 3, 3, 7];
/// Those of all other segments: a timestamp.
const OPTIONS: [u8; 12] = [1, 1, 8, 10, 0, 1, 2, 3, 0, 4, 5, 6];
/// What a segment with data carries, and what one without acknowledges beyond the last, in bytes.
const DATA: [u8; 10] = *b"0123456789";
const ACKED: i32 = 1448;

/// Where numbers of a TCP header are, and the second half of the timestamp's echo, which nobody looks at.
const SEQ: i16 = 4;
const ACK: i16 = 8;
const ECHO: i16 = 20 + 10;

/// Ports of clients. Their number has no factor in common with that of addresses, so that each client has another pair of both;
/// and fewer connections than it have ports of their own, so that none meets a NAT port that is taken.
const PORTS: u32 = 64_001;
const FIRST_PORT: u32 = 1024;
/// Addresses of clients.
const FAR: u32 = 4096;
const NEAR: u32 = 64;

/// Whether the device of an XDP program knows the way to a host of 10.0.0.0/24; one of these has no route there.
const fn is_known(host: u32) -> bool {
    host % 4 != 3 && host != 5
}

/// The indexes of so many members to whom that device knows the way.
pub(super) fn known_members(count: usize) -> Vec<u32> {
    (1..=100).filter(|host| is_known(*host)).map(|host| host - 1).take(count).collect()
}

/// The client of this number; one that that device knows the way to is `near`.
pub(super) fn client(number: u32, near: bool) -> SocketAddrV4 {
    let port = FIRST_PORT + number % PORTS;
    let address = if near {
        let mut hosts = (101..250).filter(|host| is_known(*host));
        let host = hosts.nth((number % NEAR) as usize).expect("there are so many");
        Ipv4Addr::new(10, 0, 0, host as u8)
    } else {
        Ipv4Addr::from_bits(Ipv4Addr::new(172, 16, 0, 0).to_bits() + number % FAR)
    };
    SocketAddrV4::new(address, port as u16)
}

/// A connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flow {
    pub(super) client: SocketAddrV4,
    /// Where the member sees the client.
    pub(super) source: SocketAddrV4,
    pub(super) member: SocketAddrV4,
}

/// A segment of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    Syn,
    SynAck,
    ClientData,
    ClientAck,
    MemberData,
    MemberAck,
    ClientFin,
    MemberFin,
    ClientRst,
    /// A member's RST in answer to the SYN.
    Refusal,
}

impl Segment {
    fn from_client(flow: &Flow, flags: &'static str) -> Tcp {
        Tcp::new(flow.client, LISTENER, flags).numbered(CLIENT_SEQ, MEMBER_SEQ)
    }

    fn from_member(flow: &Flow, flags: &'static str) -> Tcp {
        Tcp::new(flow.member, flow.source, flags).numbered(MEMBER_SEQ, CLIENT_SEQ)
    }

    fn of(self, flow: &Flow) -> Tcp {
        let aged = |tcp: Tcp| tcp.tcp_options(&OPTIONS);
        match self {
            Self::Syn => Self::from_client(flow, "S").tcp_options(&SYN_OPTIONS),
            Self::SynAck => Self::from_member(flow, "SA").tcp_options(&SYN_OPTIONS),
            Self::ClientData => aged(Self::from_client(flow, "PA")).payload(&DATA),
            Self::ClientAck => aged(Self::from_client(flow, "A")),
            Self::MemberData => aged(Self::from_member(flow, "PA")).payload(&DATA),
            Self::MemberAck => aged(Self::from_member(flow, "A")),
            Self::ClientFin => aged(Self::from_client(flow, "FA")),
            Self::MemberFin => aged(Self::from_member(flow, "FA")).ack(CLIENT_SEQ + 1),
            Self::ClientRst => Self::from_client(flow, "R"),
            // As long as the SYN that it becomes: the harness writes frames, and does not cut them.
            Self::Refusal => Self::from_member(flow, "RA").padding(SYN_OPTIONS.len()),
        }
    }

    /// The frame.
    pub(super) fn frame(self, flow: &Flow, family: Family) -> Vec<u8> {
        let tcp = self.of(flow);
        let frame = family.frame(&tcp.frame());
        // One checksum in 65,535 looks like one that is left to the device, which XDP passes on.
        if left_to_device(frame.clone()) == frame {
            return family.frame(&tcp.window(1).frame());
        }
        frame
    }

    /// How it becomes the next one of its connection.
    pub(super) fn advance(self, family: Family) -> Option<Advance> {
        let l4 = match family {
            Family::V4 => 14 + 20,
            Family::V6 => 14 + 40,
        };
        let (at, by) = match self {
            Self::ClientData | Self::MemberData => (SEQ, DATA.len() as i32),
            Self::ClientAck | Self::MemberAck => (ACK, ACKED),
            Self::Syn
            | Self::SynAck
            | Self::ClientFin
            | Self::MemberFin
            | Self::ClientRst
            | Self::Refusal => return None,
        };
        Some(Advance { at: l4 + at, by, balance: l4 + ECHO })
    }
}

/// Puts things into an order that nobody foresees, the same each time.
pub(super) fn shuffle<T>(all: &mut [T]) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for last in (1..all.len()).rev() {
        // Marsaglia's xorshift.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        all.swap(last, (state % (last as u64 + 1)) as usize);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_clients_are_the_same() {
        for near in [false, true] {
            let clients: BTreeSet<_> = (0..200_000).map(|number| client(number, near)).collect();
            assert_eq!(clients.len(), 200_000);
        }
    }

    #[test]
    fn a_shuffled_order_has_everything_once() {
        let mut all: Vec<u32> = (0..1000).collect();
        shuffle(&mut all);
        assert!(!all.is_sorted());
        all.sort_unstable();
        assert!(all.into_iter().eq(0..1000));
    }
}
