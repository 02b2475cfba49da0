//! What only IPv6 has: extension headers, its fragments, its addresses.

use std::net::Ipv6Addr;

use lb_tests::datapath::{Family, patched};

use super::case::{case, check};
use super::{A, ahead, opens};

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

#[test]
fn extension_headers_are_looked_past() {
    let routed: &[u8] = &[0, 0, 0, 0, 0, 0, 0];
    let atomic: &[u8] = &[0, 0, 0, 0, 0, 0, 7];
    let chains: [(&str, &[Header<'_>]); 6] = [
        ("hop-by-hop", &[(HOP_BY_HOP, OPTIONS)]),
        ("destination", &[(DESTINATION, LONG_OPTIONS)]),
        ("routing, at the last destination", &[(ROUTING, routed)]),
        ("an atomic fragment", &[(FRAGMENT, atomic)]),
        ("several", &[(HOP_BY_HOP, LONG_OPTIONS), (DESTINATION, OPTIONS), (ROUTING, routed)]),
        ("six", &[(DESTINATION, OPTIONS); 6]),
    ];
    let [input, output] = syn();
    check(chains.map(|(name, chain)| {
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
fn headers_that_do_not_lead_to_a_segment() {
    let [syn, _] = syn();
    let more: &[u8] = &[0, 0, 1, 0, 0, 0, 7];
    let later: &[u8] = &[0, 0, 8, 0, 0, 0, 7];
    let pending: &[u8] = &[0, 0, 1, 0, 0, 0, 0];
    let endless: &[u8] = &[255, 1, 4, 0, 0, 0, 0];
    let frames = [
        ("a first fragment", with(&syn, &[(FRAGMENT, more)]), "pass_fragment"),
        ("a later fragment", with(&syn, &[(FRAGMENT, later)]), "pass_fragment"),
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
