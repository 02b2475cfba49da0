//! What only IPv6 has: extension headers, its fragments, its addresses.

use std::net::Ipv6Addr;

use lb_tests::datapath::{Action, Family, patched};

use super::case::{case, check};
use super::{A, ahead, back, opens};

/// Offsets in an IPv6 frame.
const NEXT: usize = 14 + 6;
const LENGTH: usize = 14 + 4;
const SRC: usize = 14 + 8;
const DST: usize = 14 + 24;
const TCP: usize = 14 + 40;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION: u8 = 60;

/// A's SYN and what becomes of it, in IPv6.
fn syn() -> [Vec<u8>; 2] {
    let pair = A.client("S");
    [pair.input.frame(), pair.output.frame()].map(|frame| Family::V6.frame(&frame))
}

/// An extension header: its number, and what follows the number of the next.
type Header<'a> = (u8, &'a [u8]);

/// The frame with these extension headers.
fn with(frame: &[u8], headers: &[Header<'_>]) -> Vec<u8> {
    let mut chain = Vec::new();
    for (index, (_, rest)) in headers.iter().enumerate() {
        chain.push(headers.get(index + 1).map_or(frame[NEXT], |(next, _)| *next));
        chain.extend(*rest);
    }
    let mut long = frame[..TCP].to_vec();
    long[NEXT] = headers.first().map_or(frame[NEXT], |(first, _)| *first);
    let len = u16::from_be_bytes([frame[LENGTH], frame[LENGTH + 1]]) + chain.len() as u16;
    long[LENGTH..LENGTH + 2].copy_from_slice(&len.to_be_bytes());
    long.extend(chain);
    long.extend(&frame[TCP..]);
    long
}

/// Padding options, RFC 8200 section 4.2.
const OPTIONS: &[u8] = &[0, 1, 4, 0, 0, 0, 0];
const LONG_OPTIONS: &[u8] = &[1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// A routing header at the last destination, one of a datagram that was not cut after all, and one of a first
/// fragment.
const ROUTED: &[u8] = &[0, 0, 0, 0, 0, 0, 0];
const ATOMIC: &[u8] = &[0, 0, 0, 0, 0, 0, 7];
const MORE: &[u8] = &[0, 0, 1, 0, 0, 0, 7];

const CHAINS: [(&str, &[Header<'_>]); 6] = [
    ("hop-by-hop", &[(HOP_BY_HOP, OPTIONS)]),
    ("destination", &[(DESTINATION, LONG_OPTIONS)]),
    ("routing, at the last destination", &[(ROUTING, ROUTED)]),
    ("an atomic fragment", &[(FRAGMENT, ATOMIC)]),
    ("several", &[(HOP_BY_HOP, LONG_OPTIONS), (DESTINATION, OPTIONS), (ROUTING, ROUTED)]),
    ("six", &[(DESTINATION, OPTIONS); 6]),
];

#[test]
fn extension_headers_are_looked_past() {
    let [input, output] = syn();
    check(CHAINS.map(|(name, chain)| {
        case(name).conns(&[A]).rewrites(with(&input, chain), with(&output, chain), opens(&A))
    }));
}

#[test]
fn xdp_leaves_extension_headers_to_tc() {
    let pair = A.client("A");
    let [input, output] = [pair.input.frame(), pair.output.frame()]
        .map(|frame| with(&Family::V6.frame(&frame), &[(DESTINATION, OPTIONS)]));
    let known = case("of a connection").conns(&[A]).given(A.established()).early("xdp_pass_frame");
    check([known.rewrites(input, output, ahead(&A, 0))]);
}

#[test]
fn extension_headers_of_known_connections() {
    let given = || A.established().into_iter().map(|action| Family::V6.action(&action));
    let ways = [("client", A.client("PA"), ahead(&A, 3)), ("member", A.member("PA"), back(&A, 3))];
    check(ways.into_iter().flat_map(|(whose, pair, delta)| {
        let pair = pair.with(|tcp| tcp.payload(b"odd"));
        let [input, output] = [&pair.input, &pair.output].map(|tcp| Family::V6.frame(&tcp.frame()));
        CHAINS.map(|(name, chain)| {
            case(format!("{name}, of the {whose}")).conns(&[A]).given(given()).rewrites(
                with(&input, chain),
                with(&output, chain),
                delta.clone(),
            )
        })
    }));
}

/// The frame with these extension headers, one of them that of a fragment which ends before the last bytes, and with
/// the same headers in front of those. The first of them gets this identification.
fn cut(frame: &[u8], before: &[Header<'_>], behind: &[Header<'_>], id: u8) -> [Vec<u8>; 2] {
    let (first, last) = frame.split_at(frame.len() - 16);
    let length = |at: usize| ((at - TCP) as u16).to_be_bytes();
    let header = |bits: u16| {
        let [high, low] = bits.to_be_bytes();
        [0, high, low, 0, 0, 0, id]
    };
    let more = header(1);
    let chain = [before, &[(FRAGMENT, &more)], behind].concat();
    let first = with(&patched(first.to_vec(), LENGTH, &length(first.len())), &chain);
    let inner: usize = behind.iter().map(|(_, rest)| 1 + rest.len()).sum();
    let offset = header((inner + frame.len() - 16 - TCP) as u16);
    // What its fragment header says of the next one counts for nothing (RFC 8200 section 4.5), but all say the same.
    let next = behind.first().map_or(frame[NEXT], |(next, _)| *next);
    let rest = [&frame[..TCP], last].concat();
    let rest = patched(rest, LENGTH, &16_u16.to_be_bytes());
    let rest = with(&patched(rest, NEXT, &[next]), &[before, &[(FRAGMENT, &offset)]].concat());
    [first, rest]
}

#[test]
fn extension_headers_on_both_sides_of_the_fragment_header() {
    let pair = A.client("PA").with(|tcp| tcp.payload(&[3; 36]));
    let [input, output] = [&pair.input, &pair.output].map(|tcp| Family::V6.frame(&tcp.frame()));
    let destination: &[Header<'_>] = &[(DESTINATION, LONG_OPTIONS)];
    let routed: &[Header<'_>] = &[(HOP_BY_HOP, OPTIONS), (ROUTING, ROUTED)];
    let sides: [(&str, &[Header<'_>], &[Header<'_>]); 4] = [
        ("none", &[], &[]),
        ("before", routed, &[]),
        ("behind", &[], destination),
        ("both", routed, destination),
    ];
    check(sides.into_iter().flat_map(|(name, before, behind)| {
        let [first, last] = cut(&input, before, behind, 7);
        let [first_out, last_out] = cut(&output, before, behind, 1);
        let given = || A.established().into_iter().map(|action| Family::V6.action(&action));
        let known = |which: &str| case(format!("{name}, {which}")).conns(&[A]).given(given());
        [
            known("the first").rewrites(
                first.clone(),
                first_out,
                format!("{}; datagram_fragmented +1; fragments of A>: 7 as 1", ahead(&A, 20)),
            ),
            known("the last").given([Action::Frame(first)]).rewrites(
                last,
                last_out,
                "forward_to_member +1; member 0: packets_in +1 bytes_in +16; ~ A>: payload +16",
            ),
        ]
    }));
}

#[test]
fn headers_that_do_not_lead_to_a_segment() {
    let [syn, _] = syn();
    let later: &[u8] = &[0, 0, 8, 0, 0, 0, 7];
    let pending: &[u8] = &[0, 0, 1, 0, 0, 0, 0];
    let endless: &[u8] = &[255, 1, 4, 0, 0, 0, 0];
    let frames = [
        ("a later fragment", with(&syn, &[(FRAGMENT, later)]), "pass_fragment"),
        (
            "a fragment of a fragment",
            with(&syn, &[(FRAGMENT, MORE), (FRAGMENT, MORE)]),
            "pass_not_tcp",
        ),
        ("not at the last destination", with(&syn, &[(ROUTING, pending)]), "pass_not_tcp"),
        ("seven headers", with(&syn, &[(DESTINATION, OPTIONS); 7]), "pass_not_tcp"),
        ("no next header", patched(syn.clone(), NEXT, &[59]), "pass_not_tcp"),
        ("SCTP", patched(syn.clone(), NEXT, &[132]), "pass_not_tcp"),
        ("a header longer than the frame", with(&syn, &[(DESTINATION, endless)]), "pass_malformed"),
        ("a length beyond the frame", patched(syn.clone(), LENGTH, &[0, 21]), "pass_malformed"),
        ("a length within the header", patched(syn.clone(), LENGTH, &[0, 19]), "pass_malformed"),
        ("another version", patched(syn.clone(), 14, &[0x70]), "pass_malformed"),
        ("half a header", syn[..TCP + 10].to_vec(), "pass_malformed"),
    ];
    check(frames.map(|(name, frame, counter)| case(name).passes(frame, format!("{counter} +1"))));
}

#[test]
fn addresses_that_stand_for_ipv4_are_none_of_a_packet() {
    let mapped = "::ffff:10.0.0.9".parse::<Ipv6Addr>().unwrap().octets();
    let [syn, _] = syn();
    check([("source", SRC), ("destination", DST)].map(|(name, at)| {
        case(name).passes(patched(syn.clone(), at, &mapped), "pass_malformed +1")
    }));
}
