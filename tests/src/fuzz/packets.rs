//! Any frames, and what else happens to a datapath, through the parser and the decision.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

use etherparse::Icmpv4Type;
use lb_common::state::{Method, Mode};
use lb_common::wire::ipv4;

use crate::datapath::{
    Act, Action, Age, Ahead, CLIENT_SEQ, Datapath as _, Family, LISTENER, MEMBER_SEQ, Model, POOL,
    Ran, Snapshot, Stamping, Tcp, Udp, World, cut, frame_ends, icmp_error, member, patched,
    wrong_checksum,
};

/// Where the IP header ends in a frame without options.
const IP_END: usize = 14 + 20;

const FLAGS: [&str; 8] = ["S", "SA", "A", "PA", "FA", "R", "RA", "FSPU"];
/// The bit of the first byte that says in which family all of it is told.
const FAMILY: u8 = 0x20;
/// The XDP program leaves nothing to TC for the neighbour's sake.
const CONFIRM: u32 = 63;

/// Types of ICMP: errors, and some that are none.
const KINDS: [u8; 6] = [3, 3, 11, 12, 4, 8];
const PORTS: [u16; 4] = [25_000, 25_001, 80, 65_535];

/// Room in conntrack: little, so that the corner is near.
const MAX_FLOWS: u32 = 24;

/// The bytes that are left. Where they end, everything is zero.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> u8 {
        self.next_if_any().unwrap_or(0)
    }

    fn next_if_any(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn take(&mut self, wanted: usize) -> &[u8] {
        let (taken, rest) = self.0.split_at(wanted.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

/// Does to a datapath what the bytes say: the first describes the pool, then each thing that happens takes a few.
///
/// # Panics
/// If a frame that is not forwarded is changed, one that is forwarded is spoilt, or the members' counts are not
/// those of conntrack.
pub fn packets(data: &[u8]) {
    let mut bytes = Bytes(data);
    let mut newcomers = vec![0, 1, 2, 3];
    let first = bytes.next();
    let mut model = Model::behind(MAX_FLOWS, ahead(first));
    let family = if first & FAMILY == 0 { Family::V4 } else { Family::V6 };
    let beginning = world(first, &mut newcomers);
    let mut protocol = beginning.protocol;
    act(&mut model, &family.action(&beginning.install()));
    // Members and the ports they see, as frames showed them.
    let mut seen = vec![(member(0), SocketAddrV4::new(*LISTENER.ip(), PORTS[0]))];
    while let Some(what) = bytes.next_if_any() {
        let action = match what % 8 {
            0 => {
                let len = bytes.next().into();
                Action::Frame(bytes.take(len).to_vec())
            }
            1 | 2 => Action::Frame(client(&mut bytes, protocol)),
            3 | 4 => {
                let (member, vip) = seen[usize::from(bytes.next()) % seen.len()];
                Action::Frame(segment(&mut bytes, protocol, member, vip))
            }
            5 => {
                let next = world(bytes.next(), &mut newcomers);
                protocol = next.protocol;
                next.install()
            }
            6 => {
                act(&mut model, &Action::Stamp(Stamping::Scattered(bytes.next().into())));
                sweep(&mut model);
                continue;
            }
            _ if what & 0x80 != 0 => Action::Frame(error(&mut bytes, protocol, &seen)),
            _ if what & 0x40 != 0 => {
                let segment = client(&mut bytes, protocol);
                let (place, which) = (bytes.next(), bytes.next());
                // At one of the places in what is behind the IP header.
                let places = (segment.len() - IP_END).div_ceil(8) - 1;
                let at = |place| 8 + 8 * (place % places);
                let cuts = if places == 0 { Vec::new() } else { vec![at(usize::from(place))] };
                let mut parts = cut(&segment, &cuts);
                Action::Frame(parts.swap_remove(usize::from(which) % parts.len()))
            }
            _ => {
                let frame = client(&mut bytes, protocol);
                let at = usize::from(bytes.next()) % frame.len();
                Action::Frame(patched(frame, at, &[bytes.next()]))
            }
        };
        if let Some(ran) = act(&mut model, &family.action(&action))
            && ran.act == Act::Send
            && let ran = family.back(&ran)
            && let Some((source, destination)) = frame_ends(&ran.frame)
            && destination.port() == member(0).port()
        {
            seen.push((destination, source));
        }
    }
    let ancient =
        Stamping::Each { client: Age::Ancient, member: Age::Ancient, opened: Age::Ancient };
    // A connection ends in one sweep, is forgotten in a second, and its member's entry in a third.
    for _ in 0..3 {
        act(&mut model, &Action::Stamp(ancient));
        sweep(&mut model);
    }
    let left = model.snapshot();
    assert!(left.flows.is_empty(), "stays for ever: {:?}", left.flows);
}

/// What stands before the program of TC.
const fn ahead(byte: u8) -> Ahead {
    match byte >> 6 {
        0 => Ahead::Nothing,
        1 => Ahead::Xdp { confirm: CONFIRM },
        _ => Ahead::Outer,
    }
}

fn world(byte: u8, newcomers: &mut Vec<u32>) -> World {
    let weights = [1, 3, 256, 1];
    let members = (0..).zip(weights).take(1 + usize::from(byte >> 1 & 3));
    World {
        method: if byte & 1 == 0 { Method::RoundRobin } else { Method::LeastConn },
        members: members.collect(),
        newcomers: std::mem::take(newcomers),
        ports: if byte & 8 == 0 { (20_000, 29_999) } else { (25_000, 25_001) },
        enabled: byte & 16 == 0,
        protocol: if byte & 0xc0 == 0xc0 { ipv4::UDP } else { ipv4::TCP },
        mode: Mode::from_number((byte >> 6).into()),
        ..World::new(&[])
    }
}

/// An ICMP error about a segment that was sent on.
fn error(bytes: &mut Bytes<'_>, protocol: u8, seen: &[(SocketAddrV4, SocketAddrV4)]) -> Vec<u8> {
    let (member, vip) = seen[usize::from(bytes.next()) % seen.len()];
    let about = match bytes.next() % 4 {
        0 | 1 => segment(bytes, protocol, vip, member),
        2 => segment(bytes, protocol, member, vip),
        _ => {
            let (client, listener) = frame_ends(&client(bytes, protocol)).expect("a segment");
            segment(bytes, protocol, listener, client)
        }
    };
    let (kind, code) = (KINDS[usize::from(bytes.next()) % KINDS.len()], bytes.next() % 6);
    let kind = Icmpv4Type::Unknown { type_u8: kind, code_u8: code, bytes5to8: [0, 0, 5, 0] };
    let quoted = (20 + usize::from(bytes.next() % 64)).min(about.len() - 14);
    let (source, _) = frame_ends(&about).expect("a segment");
    let error = icmp_error([10, 0, 0, 254].into(), *source.ip(), &kind, &about, quoted);
    match bytes.next() {
        // Most are right; some have a byte of their own.
        0..=0xbf => error,
        _ => {
            let at = usize::from(bytes.next()) % error.len();
            patched(error, at, &[bytes.next()])
        }
    }
}

fn client(bytes: &mut Bytes<'_>, protocol: u8) -> Vec<u8> {
    let byte = bytes.next();
    let host = Ipv4Addr::new(10, 0, 0, 101 + (byte & 15));
    let source = SocketAddrV4::new(host, PORTS[usize::from(byte >> 4 & 3)]);
    let other = SocketAddrV4::new(*LISTENER.ip(), LISTENER.port() + 1);
    segment(bytes, protocol, source, if byte & 0xc0 == 0xc0 { other } else { LISTENER })
}

fn segment(
    bytes: &mut Bytes<'_>,
    protocol: u8,
    source: SocketAddrV4,
    destination: SocketAddrV4,
) -> Vec<u8> {
    let byte = bytes.next();
    if protocol == ipv4::UDP {
        let udp = Udp::new(source, destination).payload(&[0xaa; 16][..usize::from(byte >> 4)]);
        return if byte & 8 == 0 { udp } else { udp.unsummed() }.frame();
    }
    let of_member = source == LISTENER || source.port() == member(0).port();
    let ours = if of_member { MEMBER_SEQ } else { CLIENT_SEQ };
    let theirs = CLIENT_SEQ + MEMBER_SEQ - ours;
    // In front of what was sent, as a retransmission is, or a little behind.
    let seq = ours.wrapping_sub(1).wrapping_add(u32::from(bytes.next() & 15));
    let tcp = Tcp::new(source, destination, FLAGS[usize::from(byte & 7)]);
    let tcp = tcp.numbered(ours, theirs).seq(seq);
    let tcp =
        if byte & 8 == 0 { tcp } else { tcp.payload(&[0xaa; 9][..usize::from(byte >> 4) % 10]) };
    tcp.frame()
}

/// Does it, and looks whether all that must hold does.
fn act(model: &mut Model, action: &Action) -> Option<Ran> {
    let before = moves(model);
    let ran = model.act(action).expect("the model is in memory");
    if let (Action::Frame(frame), Some(ran)) = (action, &ran) {
        match ran.act {
            Act::Pass | Act::Drop => assert_eq!(ran.frame, *frame, "{:?}", ran.act),
            Act::Send | Act::Other(_) => {
                // What says that a member does not accept becomes the client's SYN.
                let moved = moves(model) != before;
                assert!(moved || ran.frame.len() == frame.len());
                if wrong_checksum(frame).is_none() {
                    assert_eq!(wrong_checksum(&ran.frame), None);
                }
            }
        }
    }
    check_counts(&model.snapshot());
    model.heard();
    ran
}

/// Connections that went to another member so far.
fn moves(model: &Model) -> u64 {
    let counters = model.snapshot().counters;
    counters.iter().filter(|(name, _)| name.starts_with("redispatched")).map(|(_, n)| n).sum()
}

fn sweep(model: &mut Model) {
    model.set_walk(model.keys());
    act(model, &Action::Sweep);
}

/// A member's active connections are those of conntrack that are not closed.
fn check_counts(snapshot: &Snapshot) {
    let mut open: BTreeMap<u32, u32> = BTreeMap::new();
    for entry in snapshot.flows.values() {
        if entry.pool == POOL && !entry.from_member && !entry.phase.is_closed() {
            *open.entry(entry.member).or_default() += 1;
        }
    }
    for (index, member) in (0..).zip(&snapshot.members) {
        assert_eq!(member.active, open.get(&index).copied().unwrap_or(0), "member {index}");
    }
}
