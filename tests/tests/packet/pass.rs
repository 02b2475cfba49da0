//! Frames that are none of the datapath's business.

use std::net::{Ipv4Addr, SocketAddrV4};

use etherparse::PacketBuilder;
use lb_tests::datapath::{LISTENER, Tcp, member, patched};

use super::case::{Said, case, check};
use super::{A, opens};

const HOST: [u8; 6] = [0; 6];
const PEER: [u8; 6] = [2, 0, 0, 0, 0, 1];
const ETHERTYPE: usize = 12;
const FRAGMENT: usize = 14 + 6;
const PROTOCOL: usize = 14 + 9;

fn syn() -> Vec<u8> {
    A.client("S").input.frame()
}

fn passes(name: &str, frame: Vec<u8>, counter: &str) -> [Said; 2] {
    let counter = format!("{counter} +1");
    [
        case(format!("{name}, nothing known")).passes(frame.clone(), counter.clone()),
        case(format!("{name}, connection known"))
            .conns(&[A])
            .given(A.established())
            .passes(frame, counter),
    ]
}

#[test]
fn other_protocols() {
    let ethertype = |number: u16| patched(syn(), ETHERTYPE, &number.to_be_bytes());
    let (from, to) = (A.client.ip().octets(), LISTENER.ip().octets());
    let mut udp = Vec::new();
    let start = || PacketBuilder::ethernet2(PEER, HOST).ipv4(from, to, 64);
    start().udp(25_000, 80).write(&mut udp, b"query").unwrap();
    let mut ping = Vec::new();
    start().icmpv4_echo_request(1, 1).write(&mut ping, b"ping").unwrap();
    let six = |host| [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host];
    let mut ipv6 = Vec::new();
    PacketBuilder::ethernet2(PEER, HOST)
        .ipv6(six(1), six(2), 64)
        .tcp(25_000, 80, 1, 1)
        .syn()
        .write(&mut ipv6, &[])
        .unwrap();
    let protocol = |number: u8| patched(syn(), PROTOCOL, &[number]);
    let all = [
        ("ARP", ethertype(0x0806), "pass_not_ip"),
        ("IPv6 to nobody's address", ipv6, "pass_not_vip"),
        ("VLAN", ethertype(0x8100), "pass_vlan"),
        ("service VLAN", ethertype(0x88a8), "pass_not_ip"),
        ("LLDP", ethertype(0x88cc), "pass_not_ip"),
        ("MPLS", ethertype(0x8847), "pass_not_ip"),
        ("a length where the EtherType should be", ethertype(40), "pass_not_ip"),
        ("UDP where only TCP is listened to", udp, "pass_not_vip"),
        ("ping", ping, "pass_not_tcp"),
        ("SCTP", protocol(132), "pass_not_tcp"),
        ("IP in IP", protocol(4), "pass_not_tcp"),
        ("protocol zero", protocol(0), "pass_not_tcp"),
    ];
    check(all.into_iter().flat_map(|(name, frame, counter)| passes(name, frame, counter)));
}

#[test]
fn fragments() {
    let word = |word: u16| patched(syn(), FRAGMENT, &word.to_be_bytes());
    let all = [
        ("the first fragment", 0x2000),
        ("a fragment between", 0x2010),
        ("the last fragment", 0x0010),
        ("the last fragment of all offsets", 0x1fff),
        ("a fragment that must not be one", 0x6000),
    ];
    check(all.into_iter().flat_map(|(name, bits)| passes(name, word(bits), "pass_fragment")));
}

#[test]
fn a_datagram_that_is_not_a_fragment_whatever_its_bits() {
    let cases = [("don't fragment", 0x4000_u16), ("the reserved bit", 0x8000)];
    check(cases.into_iter().map(|(name, bits)| {
        let pair = A.client("S");
        // The IP checksum is wrong then, and stays so.
        let set = |frame| patched(frame, FRAGMENT, &bits.to_be_bytes());
        let (input, output) = (set(pair.input.frame()), set(pair.output.frame()));
        case(name).conns(&[A]).rewrites(input, output, opens(&A))
    }));
}

#[test]
fn other_hosts() {
    let to = |mac: [u8; 6]| patched(syn(), 0, &mac);
    let all = [
        ("another host's", to([2, 0, 0, 0, 0, 9])),
        ("broadcast", to([0xff; 6])),
        ("multicast", to([1, 0, 0x5e, 0, 0, 1])),
        ("another in the last bit", to([0, 0, 0, 0, 0, 2])),
    ];
    check(all.into_iter().flat_map(|(name, frame)| passes(name, frame, "pass_other_host")));
}

#[test]
fn other_addresses_and_ports() {
    let segment = |src, dst, flags| Tcp::new(src, dst, flags).frame();
    let vip = |port| SocketAddrV4::new(*LISTENER.ip(), port);
    let stranger = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 99), 4000);
    let all = [
        ("another port of the VIP", segment(A.client, vip(81), "S")),
        (
            "the listener's port in the other byte order",
            segment(A.client, vip(80_u16.swap_bytes()), "S"),
        ),
        (
            "the listener's port elsewhere",
            segment(A.client, SocketAddrV4::new(*A.client.ip(), 80), "S"),
        ),
        ("a stranger to the NAT port", segment(stranger, vip(25_000), "A")),
        ("another member to the NAT port", segment(member(1), vip(25_000), "A")),
        (
            "the member from another port",
            segment(SocketAddrV4::new(*member(0).ip(), 8081), vip(25_000), "A"),
        ),
        ("the member to another port", segment(member(0), vip(25_001), "RA")),
    ];
    check(all.into_iter().flat_map(|(name, frame)| passes(name, frame, "pass_not_vip")));
}

#[test]
fn only_a_plain_syn_asks_for_a_connection() {
    let other = SocketAddrV4::new(*A.client.ip(), 25_001);
    let flags =
        ["", "A", "PA", "F", "FA", "R", "RA", "SF", "SR", "SA", "SFR", "SFA", "FPU", "SFRPAU"];
    check(flags.into_iter().flat_map(|flags| {
        let frame = Tcp::new(other, LISTENER, flags).frame();
        passes(&format!("flags {flags:?}"), frame, "pass_no_connection")
    }));
}
