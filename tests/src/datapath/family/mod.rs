//! The same story told in IPv4 or in IPv6.
//!
//! Cases are written down once, in IPv4. In IPv6 every address becomes one below a prefix that HAProxy's
//! way of folding addresses does not see, so that even the choice of members is the same.

mod frame;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};

use lb_common::addr::{Addr, Tuple};
use lb_common::be::Be16;
use lb_common::nat::Rewrite;
use lb_common::wire::ipv4::UDP;
use lb_userspace::datapath::Target;

use super::{Action, Direction, Entry, Heard, Ran, Snapshot, Tcp, Udp};
use frame::{to_v4, to_v6};

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// As written down.
    V4,
    /// Translated.
    V6,
}

/// The words before the last one of a translated address; their exclusive OR is zero.
const PREFIX: [u16; 6] = [0x2001, 0xdb8, 0x2001, 0xdb8, 0, 0];

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// The action in this family; one with a frame that only IPv4 has stays as it is.
    #[must_use]
    pub fn action(self, action: &Action) -> Action {
        match action {
            Action::Frame(frame) => Action::Frame(self.frame(frame)),
            Action::Gso(frame, size) => Action::Gso(self.frame(frame), *size),
            Action::Install(pool, target) => Action::Install(*pool, Box::new(self.target(target))),
            Action::ForgetPool(_)
            | Action::Eject(..)
            | Action::Drain(..)
            | Action::Spend(_)
            | Action::Settle
            | Action::Stamp(_)
            | Action::Sweep => action.clone(),
        }
    }

    /// The frame in this family, if it can be told in it.
    #[must_use]
    pub fn tells(self, frame: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::V4 => (!frame::is_v6(frame)).then(|| frame.to_vec()),
            Self::V6 => to_v6(frame),
        }
    }

    /// The frame in this family, or as it is.
    #[must_use]
    pub fn frame(self, frame: &[u8]) -> Vec<u8> {
        self.tells(frame).unwrap_or_else(|| frame.to_vec())
    }

    /// What became of a frame, told in IPv4.
    #[must_use]
    pub fn back(self, ran: &Ran) -> Ran {
        let frame = match self {
            Self::V4 => None,
            Self::V6 => to_v4(&ran.frame),
        };
        Ran { act: ran.act, frame: frame.unwrap_or_else(|| ran.frame.clone()) }
    }

    /// The family of a frame, and the frame in IPv4; `None` if it cannot be told in it.
    #[must_use]
    pub fn of(frame: &[u8]) -> Option<(Self, Vec<u8>)> {
        if frame::is_v6(frame) {
            to_v4(frame).map(|frame| (Self::V6, frame))
        } else {
            Some((Self::V4, frame.to_vec()))
        }
    }

    /// An end of a connection in this family.
    #[must_use]
    pub fn end(self, end: SocketAddrV4) -> SocketAddr {
        match self {
            Self::V4 => end.into(),
            Self::V6 => SocketAddr::new(translated(*end.ip()).into(), end.port()),
        }
    }

    /// A SYN, or a datagram if the protocol is UDP, between two ends of one family.
    ///
    /// # Panics
    /// If they are none of a story's.
    #[must_use]
    pub fn opening(src: SocketAddr, dst: SocketAddr, protocol: u8) -> Vec<u8> {
        let family = if src.is_ipv4() { Self::V4 } else { Self::V6 };
        let ends = [src, dst].map(|end| match plain(end.ip()) {
            IpAddr::V4(ip) => SocketAddrV4::new(ip, end.port()),
            IpAddr::V6(_) => panic!("{end} is no translated address"),
        });
        family.frame(&match protocol {
            UDP => Udp::new(ends[0], ends[1]).frame(),
            _ => Tcp::new(ends[0], ends[1], "S").frame(),
        })
    }

    fn target(self, target: &Target) -> Target {
        let mut target = target.clone();
        target.listener.address = self.address(target.listener.address);
        for source in &mut target.snat {
            *source = self.address(*source);
        }
        for slot in &mut target.slots {
            slot.address = self.address(slot.address);
        }
        for network in target.allowed.iter_mut().flatten() {
            network.address = self.address(network.address);
        }
        target
    }

    fn address(self, address: Addr) -> Addr {
        match (self, IpAddr::from(address)) {
            (Self::V6, IpAddr::V4(v4)) => translated(v4).into(),
            _ => address,
        }
    }

    /// A snapshot told in IPv4.
    #[must_use]
    pub fn snapshot(self, snapshot: Snapshot) -> Snapshot {
        if self == Self::V4 {
            return snapshot;
        }
        Snapshot {
            sticky: snapshot.sticky.into_iter().map(|(client, it)| (plain(client), it)).collect(),
            flows: snapshot
                .flows
                .into_iter()
                .map(|((key, protocol), entry)| ((both(key), protocol), flow(key, entry)))
                .collect(),
            ports: snapshot
                .ports
                .into_iter()
                .map(|((key, protocol), port)| ((both(key), protocol), port))
                .collect(),
            ..snapshot
        }
    }

    /// An event told in IPv4.
    #[must_use]
    pub fn heard(self, heard: Heard) -> Heard {
        Heard { client: both(heard.client), nat: both(heard.nat), ..heard }
    }
}

fn translated(address: Ipv4Addr) -> Ipv6Addr {
    let [a, b, c, d, e, f] = PREFIX;
    let [high, low] = [address.to_bits() >> 16, address.to_bits() & 0xffff];
    Ipv6Addr::new(a, b, c, d, e, f, high as u16, low as u16)
}

/// A translated address as it was; any other stays what it is.
pub(super) fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) if v6.segments().starts_with(&PREFIX) => {
            Ipv4Addr::from_bits(v6.to_bits() as u32).into()
        }
        IpAddr::V4(_) | IpAddr::V6(_) => address,
    }
}

fn both((src, dst): Direction) -> Direction {
    let end = |end: SocketAddr| SocketAddr::new(plain(end.ip()), end.port());
    (end(src), end(dst))
}

/// An entry told in IPv4, its deltas too if they are right.
fn flow((src, dst): Direction, entry: Entry) -> Entry {
    let from = tuple((src, dst));
    let Tuple { src, dst, sport, dport } = entry.rewrite.to;
    if entry.rewrite != Rewrite::new(&from, &entry.rewrite.to) {
        return entry;
    }
    let back = |address: Addr| plain(address.into()).into();
    let to = Tuple { src: back(src), dst: back(dst), sport, dport };
    let from = Tuple { src: back(from.src), dst: back(from.dst), ..from };
    Entry { rewrite: Rewrite::new(&from, &to), ..entry }
}

fn tuple((src, dst): Direction) -> Tuple {
    Tuple {
        src: src.ip().into(),
        dst: dst.ip().into(),
        sport: Be16::new(src.port()),
        dport: Be16::new(dst.port()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datapath::{CLIENT_SEQ, Conn, wrong_checksum};

    const A: Conn = Conn::new("A", 9, 25_000, 25_000, 0);

    #[test]
    fn a_segment_comes_back_as_it_went() {
        let segment = A.client("PA").with(|tcp| tcp.payload(b"hello").seq(CLIENT_SEQ)).input;
        let frame = segment.id(0).frame();
        let six = Family::V6.tells(&frame).unwrap();
        assert_eq!(six.len(), frame.len() + 20);
        assert_eq!(wrong_checksum(&six), None);
        let ran = Ran { act: crate::datapath::Act::Send, frame: six };
        assert_eq!(Family::V6.back(&ran).frame, frame);
    }

    #[test]
    fn what_is_wrong_stays_wrong() {
        let mut frame = A.client("S").input.frame();
        *frame.last_mut().unwrap() ^= 0x55;
        assert!(wrong_checksum(&frame).is_some());
        assert!(wrong_checksum(&Family::V6.tells(&frame).unwrap()).is_some());
    }
}
