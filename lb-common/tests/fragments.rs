//! Segments in fragments of any shape and order, forwarded on the host: whoever puts together what comes out has the
//! segment that went in, with the other ends and a right checksum.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use lb_common::addr::Tuple;
use lb_common::be::Be16;
use lb_common::forward::forward;
use lb_common::host::{Frame, HostTables};
use lb_common::nat::Rewrite;
use lb_common::state::{Flow, FlowKey, Mode};
use lb_common::tables::Tables as _;
use lb_common::verdict::{Direction, PassReason, Verdict};
use lb_common::wire::ipv4;
use proptest::prelude::*;

const ETH: usize = 14;
const TCP: u8 = 6;
const FRAGMENT: u8 = 44;
const DESTINATION: u8 = 60;
const HEADER: usize = 20;

/// A segment that was cut.
#[derive(Clone, Debug)]
struct Cut {
    client: SocketAddr,
    listener: SocketAddr,
    nat: SocketAddr,
    member: SocketAddr,
    of_client: bool,
    payload: Vec<u8>,
    id: u32,
    /// Words of IP options, or extension headers of eight bytes in front of the fragment header.
    extra: usize,
    /// Where it is cut, in units of eight bytes.
    places: Vec<usize>,
    /// Ranks of the fragments, by which they are sorted.
    order: Vec<u8>,
}

fn segment() -> impl Strategy<Value = Cut> {
    let ports = (any::<u16>(), any::<u16>(), any::<u16>(), any::<u16>());
    let v4 = any::<[u32; 3]>().prop_map(|all| all.map(|bits| Ipv4Addr::from(bits).into()));
    let v6 = any::<[u128; 3]>()
        .prop_map(|all| all.map(|bits| Ipv6Addr::from(bits | 0x2000 << 112).into()));
    let hosts = prop_oneof![v4, v6];
    let payload = prop::collection::vec(any::<u8>(), 40..400);
    let shape = (any::<u32>(), 0..5_usize, prop::collection::vec(3..50_usize, 1..6));
    let order = prop_oneof![Just(Vec::new()), prop::collection::vec(any::<u8>(), 8)];
    (hosts, ports, any::<bool>(), payload, shape, order).prop_map(
        |(hosts, ports, of_client, payload, (id, extra, places), order)| {
            let [client, vip, member]: [IpAddr; 3] = hosts;
            let (a, b, c, d) = ports;
            Cut {
                client: (client, a).into(),
                listener: (vip, b).into(),
                nat: (vip, c).into(),
                member: (member, d).into(),
                of_client,
                payload,
                id,
                extra,
                places,
                order,
            }
        },
    )
}

/// The one's complement sum of all words; 0xffff of what has a right checksum.
fn sum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let word = |pair: &[u8]| u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0));
    let sum = words.map(word).sum::<u64>();
    if sum == 0 { 0 } else { ((sum - 1) % 0xffff + 1) as u16 }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn pseudo(src: IpAddr, dst: IpAddr, len: usize) -> Vec<u8> {
    [octets(src), octets(dst), (len as u32).to_be_bytes().to_vec(), vec![0, 0, 0, TCP]].concat()
}

impl Cut {
    /// Source and destination before and after.
    fn ends(&self) -> [[SocketAddr; 2]; 2] {
        let ahead = [[self.client, self.listener], [self.nat, self.member]];
        let back = [[self.member, self.nat], [self.listener, self.client]];
        if self.of_client { ahead } else { back }
    }

    /// The segment between two ends.
    fn segment(&self, [src, dst]: [SocketAddr; 2]) -> Vec<u8> {
        let mut tcp = [src.port().to_be_bytes(), dst.port().to_be_bytes()].concat();
        tcp.extend([0, 0, 0, 5, 0, 0, 0, 9, 0x50, 0x18, 1, 0, 0, 0, 0, 0]);
        tcp.extend(&self.payload);
        let checksum = !sum(&[&pseudo(src.ip(), dst.ip(), tcp.len()), &tcp]);
        tcp[16..18].copy_from_slice(&checksum.to_be_bytes());
        tcp
    }

    /// Its fragments in frames as they come in, each with where it begins.
    fn frames(&self) -> Vec<(usize, Vec<u8>)> {
        let [ends, _] = self.ends();
        let segment = self.segment(ends);
        let mut places: Vec<usize> = self.places.iter().map(|place| 8 * place).collect();
        places.push(0);
        places.sort_unstable();
        places.dedup();
        places.retain(|place| *place < segment.len());
        let next = places.iter().skip(1).copied().chain([segment.len()]);
        let parts = places.iter().copied().zip(next);
        let mut frames: Vec<_> = parts
            .map(|(start, end)| {
                let more = end < segment.len();
                (start, self.frame(ends, start, more, &segment[start..end]))
            })
            .collect();
        let mut ranks = self.order.iter();
        frames.sort_by_cached_key(|_| ranks.next().copied().unwrap_or(u8::MAX));
        frames
    }

    fn frame(&self, [src, dst]: [SocketAddr; 2], start: usize, more: bool, part: &[u8]) -> Vec<u8> {
        let (src, dst) = (octets(src.ip()), octets(dst.ip()));
        let mut frame = vec![0; 12];
        if src.len() == 4 {
            let len = (20 + 4 * self.extra + part.len()) as u16;
            let mut header = vec![0x45 + self.extra as u8, 0];
            header.extend(len.to_be_bytes());
            header.extend((self.id as u16).to_be_bytes());
            header.extend(((start / 8) as u16 | u16::from(more) << 13).to_be_bytes());
            header.extend([60, TCP, 0, 0]);
            header.extend([src, dst, vec![1; 4 * self.extra]].concat());
            let checksum = !sum(&[&header]);
            header[10..12].copy_from_slice(&checksum.to_be_bytes());
            frame.extend([0x08, 0x00]);
            frame.extend(header);
        } else {
            let len = (8 * self.extra + 8 + part.len()) as u16;
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            frame.extend(len.to_be_bytes());
            frame.extend([if self.extra == 0 { FRAGMENT } else { DESTINATION }, 60]);
            frame.extend([src, dst].concat());
            for index in 1..=self.extra {
                let next = if index == self.extra { FRAGMENT } else { DESTINATION };
                frame.extend([next, 0, 1, 4, 0, 0, 0, 0]);
            }
            frame.extend([TCP, 0]);
            frame.extend((start as u16 | u16::from(more)).to_be_bytes());
            frame.extend(self.id.to_be_bytes());
        }
        frame.extend(part);
        frame
    }

    /// Addresses, identification and content of a frame that came out, whose headers must be right.
    fn read(&self, frame: &[u8]) -> (Vec<u8>, u32, Vec<u8>) {
        let datagram = &frame[ETH..];
        if self.client.is_ipv4() {
            let (header, part) = datagram.split_at(20 + 4 * self.extra);
            assert_eq!(sum(&[header]), 0xffff, "IP checksum");
            let id = u16::from_be_bytes([header[4], header[5]]);
            (header[12..20].to_vec(), id.into(), part.to_vec())
        } else {
            let (header, part) = datagram.split_at(48 + 8 * self.extra);
            let id = header[header.len() - 4..].try_into().unwrap();
            (header[8..40].to_vec(), u32::from_be_bytes(id), part.to_vec())
        }
    }

    fn tables(&self) -> HostTables {
        let tables = HostTables::default();
        tables.now.set(1 << 40);
        let tuple = |[src, dst]: [SocketAddr; 2]| Tuple {
            src: src.ip().into(),
            dst: dst.ip().into(),
            sport: Be16::new(src.port()),
            dport: Be16::new(dst.port()),
        };
        let [from, to] = self.ends().map(tuple);
        let fill = |flow: &mut Flow| {
            flow.rewrite = Rewrite::new(&from, &to);
            flow.begin(0, 0, Mode::Nat, !self.of_client, 1);
        };
        tables.put_flow(&FlowKey::new(from, 0, ipv4::TCP), false, fill).unwrap();
        tables
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_other_end_can_put_it_together(cut in segment()) {
        let tables = cut.tables();
        let direction = if cut.of_client { Direction::ToMember } else { Direction::ToClient };
        let [_, ends] = cut.ends();
        let addresses = [octets(ends[0].ip()), octets(ends[1].ip())].concat();
        let (mut parts, mut ids) = (BTreeMap::new(), Vec::new());
        let mut first_came = false;
        let mut early = 0;
        let frames = cut.frames();
        prop_assume!(frames.len() > 1);
        for (start, input) in &frames {
            first_came |= *start == 0;
            let mut frame = Frame(input.clone());
            let outcome = forward(&mut frame, &tables);
            if !first_came {
                early += 1;
                prop_assert_eq!(outcome, Ok(Verdict::Pass(PassReason::Fragment)));
                prop_assert_eq!(&frame.0, input);
                continue;
            }
            prop_assert_eq!(outcome, Ok(Verdict::Forward(direction)));
            let (src_and_dst, id, part) = cut.read(&frame.0);
            prop_assert_eq!(&src_and_dst, &addresses);
            parts.insert(*start, part);
            ids.push(id);
        }
        prop_assert!(ids.windows(2).all(|pair| pair[0] == pair[1]), "{:?}", ids);
        if early == 0 {
            let whole: Vec<u8> = parts.into_values().flatten().collect();
            let pseudo = pseudo(ends[0].ip(), ends[1].ip(), whole.len());
            prop_assert_eq!(sum(&[&pseudo, &whole]), 0xffff, "TCP checksum");
            // But for two ways to say zero, the segment that its sender would have sent to there.
            let expected = cut.segment(ends);
            prop_assert_eq!(&whole[..16], &expected[..16]);
            prop_assert_eq!(&whole[18..], &expected[18..]);
        }
    }

    /// RFC 6864: two datagrams that are on their way to one host have different identifications.
    #[test]
    fn no_two_datagrams_have_the_same_identification(cut in segment(), count in 2..40_usize) {
        let tables = cut.tables();
        let frames = Cut { order: Vec::new(), ..cut.clone() }.frames();
        prop_assume!(frames.len() > 1);
        let mut ids = Vec::new();
        for _ in 0..count {
            let mut frame = Frame(frames[0].1.clone());
            prop_assert!(matches!(forward(&mut frame, &tables), Ok(Verdict::Forward(_))));
            ids.push(cut.read(&frame.0).1);
        }
        ids.sort_unstable();
        ids.dedup();
        prop_assert_eq!(ids.len(), count);
    }

    /// RFC 1858, RFC 3128: nothing but the first fragment has a say about the header.
    #[test]
    fn no_other_fragment_holds_a_part_of_the_header(cut in segment(), start in 1..8_usize) {
        let tables = cut.tables();
        let frames = Cut { order: Vec::new(), ..cut.clone() }.frames();
        prop_assume!(frames.len() > 1);
        let first = forward(&mut Frame(frames[0].1.clone()), &tables);
        prop_assert!(matches!(first, Ok(Verdict::Forward(_))));
        let [ends, _] = cut.ends();
        let input = cut.frame(ends, 8 * start, true, &[0; 16]);
        let mut frame = Frame(input.clone());
        let outcome = forward(&mut frame, &tables);
        if 8 * start < HEADER {
            prop_assert!(outcome.is_err());
            prop_assert_eq!(frame.0, input);
        } else {
            prop_assert!(matches!(outcome, Ok(Verdict::Forward(_))));
        }
    }
}
