//! UDP datagrams that come in fragments.

use lb_tests::datapath::{Action, UdpPair, World, cut, patched};

use super::case::{Case, case, check};
use super::udp::{A, answered, answers, asks, opens};

/// Bytes of payload, and where a datagram with them is cut: the UDP header takes eight.
const PAYLOAD: usize = 100;
const PLACES: [usize; 2] = [40, 80];

/// Where a frame has the identification of its datagram, and the length of UDP.
const ID: usize = 14 + 4;
const LENGTH: usize = 14 + 20 + 4;

fn long(pair: UdpPair) -> UdpPair {
    let payload: Vec<u8> = (0..PAYLOAD as u8).collect();
    pair.with(|udp| udp.payload(&payload))
}

/// The fragments as they come in, with the identification 7, and as they go out with the first of ours. Only the first
/// one loses a hop.
fn parts(pair: &UdpPair) -> Vec<[Vec<u8>; 2]> {
    let numbered = |frame, id| cut(&patched(frame, ID, &[0, id]), &PLACES);
    let mut outputs = numbered(pair.output.clone().hops(64).frame(), 1);
    outputs[0].clone_from(&numbered(pair.output.frame(), 1)[0]);
    let inputs = numbered(pair.input.frame(), 7);
    inputs.into_iter().zip(outputs).map(|(a, b)| [a, b]).collect()
}

fn flow(name: &str) -> Case {
    case(name).world(World::udp(&[1, 1])).conns(&[A])
}

fn tracked(delta: &str, arrow: &str) -> String {
    format!("{delta}; datagram_fragmented +1; fragments of {arrow}: 7 as 1")
}

fn more_ahead(payload: usize) -> String {
    format!(
        "forward_to_member +1; member 0: packets_in +1 bytes_in +{payload}; ~ A>: payload +{payload}"
    )
}

fn more_back(payload: usize) -> String {
    format!(
        "forward_to_client +1; member 0: packets_out +1 bytes_out +{payload}; ~ A<: payload +{payload}"
    )
}

#[test]
fn a_flow_may_open_with_a_datagram_in_fragments() {
    let [first, second, last]: [[Vec<u8>; 2]; 3] = parts(&long(A.asks(b""))).try_into().unwrap();
    let opened = |name| flow(name).given([Action::Frame(first[0].clone())]);
    check([
        flow("the first").rewrites(
            first[0].clone(),
            first[1].clone(),
            tracked(&opens(&A, 32), "A>"),
        ),
        opened("the second").rewrites(second[0].clone(), second[1].clone(), more_ahead(40)),
        opened("the last").rewrites(last[0].clone(), last[1].clone(), more_ahead(28)),
        flow("one before the first").passes(second[0].clone(), "pass_fragment +1"),
    ]);
}

#[test]
fn datagrams_of_a_flow_may_come_in_fragments() {
    let ways = [
        ("to the member", long(A.asks(b"")), tracked(&asks(&A, 32), "A>"), true),
        ("to the client", long(A.answers(b"")), tracked(&answers(&A, 32), "A<"), false),
    ];
    check(ways.into_iter().flat_map(|(way, pair, delta, ahead)| {
        let [first, _, last]: [[Vec<u8>; 2]; 3] = parts(&pair).try_into().unwrap();
        let known = |which: &str| flow(&format!("{which}, {way}")).given(answered(&A));
        let more = if ahead { more_ahead(28) } else { more_back(28) };
        [
            known("the first").rewrites(first[0].clone(), first[1].clone(), delta),
            known("the last").given([Action::Frame(first[0].clone())]).rewrites(
                last[0].clone(),
                last[1].clone(),
                more,
            ),
        ]
    }));
}

#[test]
fn a_first_fragment_without_checksum_stays_without_one() {
    let parts = parts(&long(A.asks(b"")).with(|udp| udp.unsummed()));
    let [input, output] = parts[0].clone();
    check([flow("IPv4 only").rewrites(input, output, tracked(&opens(&A, 32), "A>"))]);
}

#[test]
fn a_first_fragment_whose_length_leaves_nothing_to_come_is_none() {
    let [whole, _] = parts(&long(A.asks(b"")))[0].clone();
    check([("less than is there", 39), ("all that is there", 40)].map(|(name, length)| {
        flow(name).passes(patched(whole.clone(), LENGTH, &[0, length]), "pass_malformed +1")
    }));
}
