//! Fragments that are odd in themselves, and what is said about others.

use std::net::SocketAddrV4;

use etherparse::icmpv4::DestUnreachableHeader::{FragmentationNeeded, Port};
use etherparse::icmpv4::TimeExceededCode::FragmentReassemblyTimeExceeded;
use etherparse::{Icmpv4Type, PacketBuilder};
use lb_tests::datapath::{Action, LISTENER, Pair, Tcp, cut, icmp_error, member, patched};

use super::case::{Case, case, check};
use super::fragments::{ID, PARTS, PLACES, established, frame, long, more_ahead, parts, tracked};
use super::{A, ahead};

/// RFC 1858: whoever decides by the ports is to see the whole header.
#[test]
fn first_fragments_without_a_whole_header() {
    let options = |tcp: Tcp| tcp.tcp_options(&[1; 40]);
    let tiny = |pair: Pair, place| cut(&long(pair).input.frame(), &[place])[0].clone();
    let drops = |case: Case, frame| case.drops(frame, "drop_fragment_tiny +1");
    let other = SocketAddrV4::new(*LISTENER.ip(), 81);
    let elsewhere = long(A.client("PA")).input.readdressed(A.client, other);
    let elsewhere = cut(&elsewhere.frame(), &[8])[0].clone();
    check([
        drops(case("the ports of a SYN"), tiny(A.client("S"), 8)),
        drops(case("all of a SYN but its checksum"), tiny(A.client("S"), 16)),
        drops(established("of the client's"), tiny(A.client("PA"), 8)),
        drops(established("of the member's"), tiny(A.member("PA"), 16)),
        drops(established("half the options"), tiny(A.client("PA").with(options), 40)),
        established("to another port").passes(elsewhere, "pass_not_vip +1"),
    ]);
}

/// RFC 3128: what was looked at is not to be changed behind one's back.
#[test]
fn later_fragments_that_reach_back_into_the_header() {
    let parts = parts(&long(A.client("PA")), 1);
    let offset = |offset: u16| {
        let whole = cut(&long(A.client("PA")).input.id(ID).frame(), &[8, 16, 24]);
        whole[usize::from(offset) / 8].clone()
    };
    let first = |name: &str| established(name).given([frame(&parts[0])]);
    let beyond = cut(&long(A.client("PA")).output.id(1).frame(), &[8, 16, 24])[3].clone();
    check([
        first("the sequence number").drops(offset(8), "drop_fragment_overlap +1"),
        first("the checksum").drops(offset(16), "drop_fragment_overlap +1"),
        first("only the options").rewrites(offset(24), beyond, more_ahead(&A, 96)),
        established("of nothing that is known").passes(offset(8), "pass_fragment +1"),
    ]);
}

/// Offsets in an IPv4 frame.
const LENGTH: usize = 14 + 2;

#[test]
fn fragments_that_contradict_themselves() {
    let parts = parts(&long(A.client("PA")), 1);
    let first = |name: &str| established(name).given([frame(&parts[0])]);
    let length = |frame: &[u8], len: u16| patched(frame.to_vec(), LENGTH, &len.to_be_bytes());
    let [one, two] = [&parts[0][0], &parts[1][0]];
    let tiny = cut(&long(A.client("PA")).input.frame(), &[8])[0].clone();
    let passes = |case: Case, frame: Vec<u8>| case.passes(frame, "pass_malformed +1");
    check([
        passes(established("a first one that is longer than its frame"), length(one, 61)),
        passes(first("a later one that is longer than its frame"), length(two, 61)),
        passes(first("a later one without anything"), length(two, 20)),
        passes(established("a first one without both ports"), length(&tiny, 24)),
    ]);
}

#[test]
fn padding_and_options_of_fragments() {
    let options = |tcp: Tcp| tcp.id(ID).ip_options(&[1; 8]);
    let pair = long(A.client("PA"));
    let [input, output] =
        [&pair.input, &pair.output].map(|tcp| cut(&options(tcp.clone()).frame(), &PLACES));
    let numbered = cut(&options(pair.output.clone()).id(1).frame(), &PLACES);
    assert_ne!(output, numbered);
    let padded = |frame: &[u8]| [frame, &[0xee; 6]].concat();
    let plain = parts(&pair, 1);
    check([
        established("options of the first").rewrites(
            input[0].clone(),
            numbered[0].clone(),
            ahead(&A, PARTS[0]) + &tracked("A>", 1),
        ),
        established("options of the second").given([Action::Frame(input[0].clone())]).rewrites(
            input[1].clone(),
            numbered[1].clone(),
            more_ahead(&A, PARTS[1]),
        ),
        established("padding behind the first").rewrites(
            padded(&plain[0][0]),
            padded(&plain[0][1]),
            ahead(&A, PARTS[0]) + &tracked("A>", 1),
        ),
        established("padding behind the last").given([frame(&plain[0])]).rewrites(
            padded(&plain[2][0]),
            padded(&plain[2][1]),
            more_ahead(&A, PARTS[2]),
        ),
    ]);
}

#[test]
fn fragments_of_other_protocols() {
    let mut udp = Vec::new();
    let (from, to) = (A.client.ip().octets(), LISTENER.ip().octets());
    let start = || PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [0; 6]).ipv4(from, to, 64);
    start().icmpv4_echo_request(1, 1).write(&mut udp, &[5; 100]).unwrap();
    let parts = cut(&udp, &[48]);
    check(parts.into_iter().enumerate().map(|(index, frame)| {
        established(format!("ping, {index}")).passes(frame, "pass_not_tcp +1")
    }));
}

/// Path MTU discovery, and "time exceeded" of whoever has waited for the rest.
#[test]
fn errors_about_first_fragments() {
    let errors = [
        ("too big", Icmpv4Type::DestinationUnreachable(FragmentationNeeded { next_hop_mtu: 1280 })),
        ("the port", Icmpv4Type::DestinationUnreachable(Port)),
        ("not all came", Icmpv4Type::TimeExceeded(FragmentReassemblyTimeExceeded)),
    ];
    let pair = long(A.client("PA"));
    let parts = parts(&pair, 1);
    // What was sent had another identification, which nobody asks for.
    let sent = cut(&pair.input.id(1).frame(), &PLACES);
    check(errors.into_iter().map(|(name, kind)| {
        let input = icmp_error(*member(0).ip(), *LISTENER.ip(), &kind, &parts[0][1], 60);
        let output = icmp_error(*LISTENER.ip(), *A.client.ip(), &kind, &sent[0], 60);
        established(name).given([frame(&parts[0])]).rewrites(input, output, super::icmp::TO_CLIENT)
    }));
}
