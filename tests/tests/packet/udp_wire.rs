//! UDP on the wire: checksums that are there or not, lengths that lie.

use lb_tests::datapath::{Conn, Family, Udp, UdpPair, World, patched};

use super::case::{Case, case, check};

const A: Conn = Conn::udp("A", 101, 25_000, 21_000, 0);

fn told(name: &str) -> Case {
    // The client's port is outside of the range, so the ports are changed too.
    case(name).world(World { ports: (21_000, 21_000), ..World::udp(&[1]) }).conns(&[A])
}

fn opens(bytes: usize) -> String {
    let (bytes_in, payload) = match bytes {
        0 => (String::new(), String::new()),
        some => (format!(" bytes_in +{some}"), format!(" payload {some}")),
    };
    format!(
        "forward_to_member +1; connection_opened +1;
         member 0: active +1 connections +1 packets_in +1{bytes_in}; + A>{payload}; + A<"
    )
}

fn sent(name: &str, pair: &UdpPair, bytes: usize) -> super::case::Said {
    told(name).rewrites(pair.input.frame(), pair.output.frame(), opens(bytes))
}

/// The checksum of a frame.
fn checksum(datagram: &Udp) -> [u8; 2] {
    let frame = datagram.frame();
    [frame[Udp::CHECKSUM], frame[Udp::CHECKSUM + 1]]
}

/// A client's datagram of which `end` has a checksum of all ones, which stands for zero.
fn of_all_ones(end: impl Fn(&UdpPair) -> &Udp) -> UdpPair {
    let mut pairs = (0..=u16::MAX).map(|word| A.asks(&word.to_be_bytes()));
    pairs.find(|pair| checksum(end(pair)) == [0xff; 2]).unwrap()
}

#[test]
fn checksums() {
    let odd = A.asks(b"odd");
    check([
        sent("right", &odd, 3),
        sent("none", &odd.clone().with(Udp::unsummed), 3),
        sent("none, and empty", &A.asks(b"").with(Udp::unsummed), 0),
        sent("all ones", &of_all_ones(|pair| &pair.input), 2),
        sent("becomes all ones", &of_all_ones(|pair| &pair.output), 2),
        sent("with IP options", &odd.clone().with(|udp| udp.ip_options(&[1; 8])), 3),
        sent("with padding behind it", &odd.with(|udp| udp.padding(9)), 3),
    ]);
}

#[test]
fn a_wrong_checksum_stays_wrong_by_the_same_amount() {
    let pair = A.asks(b"query");
    let last = pair.input.frame().len() - 1;
    let spoilt = |frame: Vec<u8>| patched(frame, last, b"?");
    check([told("a changed byte").rewrites(
        spoilt(pair.input.frame()),
        spoilt(pair.output.frame()),
        opens(5),
    )]);
}

#[test]
fn gso() {
    let pair = A.asks(&[7; 3000]);
    check([told("three datagrams in one").rewrites_gso(&pair, 1000, opens(3000))]);
}

#[test]
fn lengths() {
    let pair = A.asks(b"query").with(Udp::unsummed);
    let with = |frame: Vec<u8>, len: u16| patched(frame, Udp::LENGTH, &len.to_be_bytes());
    let short = |len| [pair.input.frame(), pair.output.frame()].map(|frame| with(frame, len));
    let [four_in, four_out] = short(12);
    let [none_in, none_out] = short(8);
    let bad = |name: &str, frame| told(name).passes(frame, "pass_malformed +1");
    let whole = pair.input.frame();
    check([
        told("bytes behind it").rewrites(four_in, four_out, opens(4)),
        told("only bytes behind it").rewrites(none_in, none_out, opens(0)),
        bad("longer than the packet", with(whole.clone(), 14)),
        bad("within its header", with(whole.clone(), 7)),
        bad("zero", with(whole.clone(), 0)),
        bad("a header cut short", whole[..14 + 20 + 7].to_vec()),
        bad("a payload cut short", whole[..whole.len() - 1].to_vec()),
        bad("a packet that ends in the header", patched(whole, 16, &[0, 27])),
    ]);
}

#[test]
fn there_is_no_datagram_without_a_checksum_in_ipv6() {
    let frame = Family::V6.frame(&A.asks(b"query").input.frame());
    let frame = patched(frame, 14 + 40 + 6, &[0; 2]);
    check([told("none").passes(frame, "pass_malformed +1")]);
}
