//! Checksums in the corners of one's complement arithmetic.

use lb_tests::datapath::{Conn, Pair, Tcp, patched, wrong_checksum};

use super::case::{Case, Said, case, check};
use super::{A, ahead, back};

/// A side of the datapath.
type Side = fn(&Pair) -> &Tcp;

pub(crate) fn word(frame: &[u8], offset: usize) -> u16 {
    u16::from_be_bytes([frame[offset], frame[offset + 1]])
}

/// The one's complement sum of the word and `by`.
pub(crate) fn shifted(frame: Vec<u8>, offset: usize, by: u16) -> Vec<u8> {
    let (sum, carry) = word(&frame, offset).overflowing_add(by);
    patched(frame, offset, &(sum + u16::from(carry)).to_be_bytes())
}

/// The segment with a sequence number that makes the side's TCP checksum what is wanted.
fn with_tcp_checksum(pair: &Pair, side: Side, wanted: u16) -> Pair {
    let numbered = |seq| pair.clone().with(|tcp| tcp.seq(seq));
    let mut all = (0..=0xffff).map(numbered);
    all.find(|pair| word(&side(pair).frame(), Tcp::CHECKSUM) == wanted).unwrap()
}

/// The same for the IP header checksum, by the identification.
fn with_ip_checksum(pair: &Pair, side: Side, wanted: u16) -> Pair {
    let numbered = |id| pair.clone().with(|tcp| tcp.id(id));
    let mut all = (0..=0xffff).map(numbered);
    all.find(|pair| word(&side(pair).frame(), Tcp::IP_CHECKSUM) == wanted).unwrap()
}

fn established(name: String) -> Case {
    case(name).conns(&[A]).given(A.established())
}

/// A way to ask for a checksum on a side of the datapath.
type Wish = fn(&Pair, Side, u16) -> Pair;

#[test]
fn every_corner_value_before_and_behind() {
    let ways = [
        ("to the member", A.client("A"), ahead(&A, 0)),
        ("to the client", A.member("A"), back(&A, 0)),
    ];
    let sides: [(&str, Side); 2] =
        [("before", |pair| &pair.input), ("behind", |pair| &pair.output)];
    let wishes: [(&str, Wish); 2] = [("TCP", with_tcp_checksum), ("IP", with_ip_checksum)];
    let mut cases: Vec<Said> = Vec::new();
    for (way, pair, delta) in &ways {
        for (side, pick) in sides {
            for (layer, wish) in wishes {
                // 0xffff is what no sum over a packet gives.
                for wanted in [0x0000, 0x0001, 0x7fff, 0x8000, 0xfffe] {
                    let name = format!("{layer} checksum {wanted:#06x} {side}, {way}");
                    cases.push(established(name).sends(&wish(pair, pick, wanted), delta.clone()));
                }
            }
        }
    }
    check(cases);
}

#[test]
fn the_other_zero() {
    let pair = with_tcp_checksum(&A.client("A"), |pair| &pair.input, 0);
    let input = patched(pair.input.frame(), Tcp::CHECKSUM, &[0xff, 0xff]);
    assert_eq!(wrong_checksum(&input), None);
    check([established("0xffff before".into()).rewrites(input, pair.output.frame(), ahead(&A, 0))]);
}

#[test]
fn a_wrong_checksum_stays_wrong_by_the_same_amount() {
    let conn: Conn = A;
    let mut cases = Vec::new();
    for (layer, offset) in [("IP", Tcp::IP_CHECKSUM), ("TCP", Tcp::CHECKSUM)] {
        for by in [1_u16, 0x0100, 0x8000, 0xfffe] {
            for (way, pair, delta) in [
                ("to the member", conn.client("PA"), ahead(&A, 3)),
                ("to the client", conn.member("PA"), back(&A, 3)),
            ] {
                let pair = pair.with(|tcp| tcp.payload(b"odd"));
                let input = shifted(pair.input.frame(), offset, by);
                assert!(wrong_checksum(&input).is_some());
                let output = shifted(pair.output.frame(), offset, by);
                assert!(wrong_checksum(&output).is_some());
                let name = format!("{layer} checksum off by {by:#06x}, {way}");
                cases.push(established(name).rewrites(input, output, delta));
            }
        }
    }
    check(cases);
}
