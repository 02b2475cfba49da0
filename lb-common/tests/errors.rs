//! ICMP errors of any shape about a connection, rewritten on the host: whatever they quote, and however much of it, the
//! other end gets one about the segment that it has sent, with right checksums.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use lb_common::addr::Tuple;
use lb_common::be::Be16;
use lb_common::forward::finish;
use lb_common::host::{Frame, HostTables};
use lb_common::nat::Rewrite;
use lb_common::state::{Flow, FlowKey, Mode, PhaseBits};
use lb_common::tables::Tables as _;
use lb_common::verdict::{Direction, Verdict};
use lb_common::wire::ipv4;
use proptest::prelude::*;

const POOL: u32 = 3;

/// Sequence numbers of what is outstanding.
const FIRST: u32 = u32::MAX - 500;
const NEXT: u32 = 500;

const ETH: usize = 14;
const ICMP: usize = 8;

/// A connection and what is lost of it.
#[derive(Clone, Debug)]
struct Lost {
    client: SocketAddr,
    listener: SocketAddr,
    nat: SocketAddr,
    member: SocketAddr,
    /// Whether the segment was the client's.
    of_client: bool,
    seq: u32,
    payload: Vec<u8>,
    /// Words of IP options, or extension headers of eight bytes.
    extra: usize,
    reporter: IpAddr,
    kind: usize,
    rest: [u8; 4],
    /// Bytes of TCP that are quoted, eight at the least.
    quoted: usize,
}

fn lost() -> impl Strategy<Value = Lost> {
    let ports = (any::<u16>(), any::<u16>(), any::<u16>(), any::<u16>());
    let v4 = any::<[u32; 4]>().prop_map(|all| all.map(|bits| Ipv4Addr::from(bits).into()));
    let v6 = any::<[u128; 4]>()
        .prop_map(|all| all.map(|bits| Ipv6Addr::from(bits | 0x2000 << 112).into()));
    let hosts = prop_oneof![v4, v6];
    let segment = (any::<bool>(), -1000_i32..1000, prop::collection::vec(any::<u8>(), 0..64));
    let error = (0..8_usize, any::<[u8; 4]>(), 8..100_usize, 0..6_usize);
    (hosts, ports, segment, error).prop_map(|(hosts, ports, segment, error)| {
        let [client, vip, member, reporter]: [IpAddr; 4] = hosts;
        let (a, b, c, d) = ports;
        let (of_client, seq, payload) = segment;
        let (kind, rest, quoted, extra) = error;
        let clamped = seq.clamp(-501, 500);
        Lost {
            client: (client, a).into(),
            listener: (vip, b).into(),
            nat: (vip, c).into(),
            member: (member, d).into(),
            of_client,
            seq: clamped as u32,
            payload,
            extra,
            reporter,
            kind,
            rest,
            quoted,
        }
    })
}

/// The one's complement sum of all words.
fn sum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let word = |pair: &[u8]| u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0));
    let sum = words.map(word).sum::<u64>();
    if sum == 0 { 0 } else { ((sum - 1) % 0xffff + 1) as u16 }
}

fn put_checksum(bytes: &mut [u8], at: usize, pseudo: &[u8]) {
    let checksum = !sum(&[pseudo, bytes]);
    bytes[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn pseudo(src: IpAddr, dst: IpAddr, len: usize, protocol: u8) -> Vec<u8> {
    [octets(src), octets(dst), (len as u32).to_be_bytes().to_vec(), vec![0, 0, 0, protocol]]
        .concat()
}

/// A datagram of either family.
fn datagram(src: IpAddr, dst: IpAddr, protocol: u8, extra: usize, payload: &[u8]) -> Vec<u8> {
    let mut header;
    if src.is_ipv4() {
        let len = (20 + 4 * extra + payload.len()) as u16;
        header = vec![0x45 + extra as u8, 0];
        header.extend(len.to_be_bytes());
        header.extend([0, 9, 0x40, 0, 60, protocol, 0, 0]);
        header.extend([octets(src), octets(dst), vec![1; 4 * extra]].concat());
        put_checksum(&mut header, 10, &[]);
    } else {
        const DESTINATION: u8 = 60;
        let chain = (0..extra).flat_map(|index| {
            let next = if index + 1 == extra { protocol } else { DESTINATION };
            [next, 0, 1, 4, 0, 0, 0, 0]
        });
        header = vec![0x60, 0, 0, 0];
        header.extend(((8 * extra + payload.len()) as u16).to_be_bytes());
        header.extend([if extra == 0 { protocol } else { DESTINATION }, 60]);
        header.extend([octets(src), octets(dst)].concat());
        header.extend(chain);
    }
    [header, payload.to_vec()].concat()
}

impl Lost {
    /// The segment between these two ends.
    fn segment(&self, src: SocketAddr, dst: SocketAddr) -> Vec<u8> {
        let mut tcp = [src.port().to_be_bytes(), dst.port().to_be_bytes()].concat();
        tcp.extend(self.seq.to_be_bytes());
        tcp.extend([0, 0, 0, 9, 0x50, 0x18, 1, 0, 0, 0, 0, 0]);
        tcp.extend(&self.payload);
        let len = tcp.len();
        put_checksum(&mut tcp, 16, &pseudo(src.ip(), dst.ip(), len, 6));
        datagram(src.ip(), dst.ip(), 6, self.extra, &tcp)
    }

    /// An error from `host` about the segment between these two ends.
    fn error(&self, host: IpAddr, src: SocketAddr, dst: SocketAddr) -> Vec<u8> {
        let segment = self.segment(src, dst);
        let (kinds, fixed, protocol, each) = if host.is_ipv4() {
            ([3, 3, 3, 3, 11, 11, 12, 12], 20, 1, 4)
        } else {
            ([1, 1, 2, 2, 3, 3, 4, 4], 40, 58, 8)
        };
        let bytes = segment.len().min(fixed + each * self.extra + self.quoted);
        let mut icmp = vec![kinds[self.kind], self.rest[0] % 16, 0, 0];
        icmp.extend(self.rest);
        icmp.extend(&segment[..bytes]);
        let len = icmp.len();
        let pseudo = if host.is_ipv4() { vec![] } else { pseudo(host, src.ip(), len, protocol) };
        put_checksum(&mut icmp, 2, &pseudo);
        let ethertype = if host.is_ipv4() { [0x08, 0x00] } else { [0x86, 0xdd] };
        let frame = [vec![0; 12], ethertype.to_vec()].concat();
        [frame, datagram(host, src.ip(), protocol, 0, &icmp)].concat()
    }

    fn tables(&self) -> HostTables {
        let tables = HostTables::default();
        tables.now.set(1 << 40);
        let tuple = |src: SocketAddr, dst: SocketAddr| Tuple {
            src: src.ip().into(),
            dst: dst.ip().into(),
            sport: Be16::new(src.port()),
            dport: Be16::new(dst.port()),
        };
        let ahead = [tuple(self.client, self.listener), tuple(self.nat, self.member)];
        let back = [tuple(self.member, self.nat), tuple(self.listener, self.client)];
        for ([from, to], from_member) in [(ahead, false), (back, true)] {
            let fill = |flow: &mut Flow| {
                flow.rewrite = Rewrite::new(&from, &to);
                flow.begin(0, POOL, Mode::Nat, from_member, 1);
                flow.next.set(NEXT);
                flow.acked.set(FIRST);
                flow.phase.record(&HostTables::default(), PhaseBits::ACCEPTED);
            };
            tables.put_flow(&FlowKey::new(from, 0, ipv4::TCP), false, fill).unwrap();
        }
        tables
    }
}

/// Half of a checksum is of no use to anybody, and not corrected.
fn ends_within_the_checksum(lost: &Lost) -> bool {
    lost.quoted == 17
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_other_end_hears_of_its_own_segment(lost in lost()) {
        let Lost { client, listener, nat, member, .. } = lost;
        // Two connections of one client that are one and the same are none.
        prop_assume!((client, listener) != (member, nat) && !ends_within_the_checksum(&lost));
        let ([src, dst], [from, to], direction) = if lost.of_client {
            ([nat, member], [client, listener], Direction::ToClient)
        } else {
            ([listener, client], [member, nat], Direction::ToMember)
        };
        let mut frame = Frame(lost.error(lost.reporter, src, dst));
        let outcome = finish(&mut frame, &lost.tables());
        prop_assert_eq!(outcome, Ok(Verdict::Forward(direction)));
        // The same error, made by the VIP about the segment as its sender knows it.
        let mut expected = lost.error(listener.ip(), from, to);
        // Zero has two representations in one's complement.
        for at in zeros(&expected, &frame.0) {
            expected[at..at + 2].copy_from_slice(&[0xff, 0xff]);
        }
        prop_assert_eq!(frame.0, expected);
    }

    #[test]
    fn what_cannot_be_outstanding_is_left_alone(lost in lost(), beyond in 1_002..u32::MAX - 1) {
        let Lost { listener, nat, member, client, .. } = lost;
        prop_assume!((client, listener) != (member, nat));
        let [src, dst] = if lost.of_client { [nat, member] } else { [listener, client] };
        let lost = Lost { seq: FIRST.wrapping_sub(1).wrapping_add(beyond).wrapping_add(1), ..lost };
        let before = lost.error(lost.reporter, src, dst);
        let mut frame = Frame(before.clone());
        let outcome = finish(&mut frame, &lost.tables());
        prop_assert!(matches!(outcome, Ok(Verdict::Pass(_))), "{:?}", outcome);
        prop_assert_eq!(frame.0, before);
    }
}

/// Where the one has 0x0000 and the other 0xffff, in one of the checksums.
fn zeros(expected: &[u8], have: &[u8]) -> Vec<usize> {
    let pairs = (ETH + ICMP..expected.len().saturating_sub(1)).step_by(2);
    pairs
        .filter(|at| {
            expected[*at..at + 2] == [0, 0] && have.get(*at..at + 2) == Some(&[0xff, 0xff])
        })
        .collect()
}
