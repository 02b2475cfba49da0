//! Segments of known connections.

use lb_tests::datapath::Pair;

use super::case::{case, check};
use super::{A, B, ahead, back};

/// Timestamps, with two bytes to align them.
const TIMESTAMPS: [u8; 12] = [1, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 8];

fn carrying(pair: Pair, payload: &[u8]) -> Pair {
    pair.with(|tcp| tcp.payload(payload))
}

#[test]
fn the_handshake() {
    let opening = |name| case(name).conns(&[A]).given(A.opening());
    let accepted = |name| opening(name).given([A.member("SA").action()]);
    check([
        opening("the SYN once more").sends(&A.client("S"), ahead(&A, 0)),
        opening("an ACK nobody asked for completes nothing").sends(
            &A.client("A"),
            "forward_to_member +1; member 0: packets_in +1; ~ A>: seen news acked 2000000",
        ),
        opening("the SYN-ACK").sends(
            &A.member("SA"),
            "forward_to_client +1; member 0: packets_out +1; ~ A>: acked 2000000 accepted;
             ~ A<: seen news next 2000000 acked 1000000",
        ),
        opening("a SYN-ACK of another SYN accepts nothing").sends(
            &A.member("SA").with(|tcp| tcp.ack(5)),
            "forward_to_client +1; member 0: packets_out +1; ~ A<: seen news next 2000000 acked 5",
        ),
        opening("an ACK of the member's accepts nothing").sends(
            &A.member("A"),
            "forward_to_client +1; member 0: packets_out +1;
             ~ A<: seen news next 2000000 acked 1000000",
        ),
        accepted("the SYN-ACK once more").sends(&A.member("SA"), back(&A, 0)),
        accepted("the SYN after the SYN-ACK").sends(&A.client("S"), ahead(&A, 0)),
        accepted("the ACK").sends(
            &A.client("A"),
            "forward_to_member +1; member 0: packets_in +1; ~ A>: seen completed",
        ),
        accepted("an ACK of something else completes nothing").sends(
            &A.client("A").with(|tcp| tcp.ack(2_000_001)),
            "forward_to_member +1; member 0: packets_in +1; ~ A>: seen news acked +1",
        ),
        accepted("the ACK with data").sends(
            &carrying(A.client("PA"), b"GET"),
            "forward_to_member +1; member 0: packets_in +1 bytes_in +3;
             ~ A>: seen news payload +3 next +3 completed",
        ),
    ]);
}

#[test]
fn data_in_each_direction() {
    let lengths = [1, 2, 3, 7, 535, 1000, 1460, 3000];
    let cases = lengths.into_iter().flat_map(|length| {
        let payload: Vec<u8> = (0..length).map(|byte| (byte * 7) as u8).collect();
        let named = |way| case(format!("{length} bytes to the {way}")).conns(&[A]);
        [
            named("member")
                .given(A.established())
                .sends(&carrying(A.client("PA"), &payload), ahead(&A, length)),
            named("client")
                .given(A.established())
                .sends(&carrying(A.member("PA"), &payload), back(&A, length)),
        ]
    });
    check(cases);
}

#[test]
fn whatever_a_segment_carries() {
    let established = |name| case(name).conns(&[A]).given(A.established());
    check([
        established("an ACK padded to the shortest frame")
            .sends(&A.client("A").with(|tcp| tcp.padding(6)), ahead(&A, 0)),
        established("one byte and padding")
            .sends(&carrying(A.client("PA"), b"x").with(|tcp| tcp.padding(5)), ahead(&A, 1)),
        established("an odd payload and an odd padding, to the client")
            .sends(&carrying(A.member("PA"), b"abc").with(|tcp| tcp.padding(3)), back(&A, 3)),
        established("timestamps to the member").sends(
            &carrying(A.client("PA"), b"abc").with(|tcp| tcp.tcp_options(&TIMESTAMPS)),
            ahead(&A, 3),
        ),
        established("timestamps to the client").sends(
            &carrying(A.member("PA"), b"abc").with(|tcp| tcp.tcp_options(&TIMESTAMPS)),
            back(&A, 3),
        ),
        established("IP options to the client").sends(
            &carrying(A.member("PA"), b"abcd").with(|tcp| tcp.ip_options(&[1; 8])),
            back(&A, 4),
        ),
        established("urgent data").sends(&carrying(A.client("PAU"), b"!"), ahead(&A, 1)),
        established("no flag at all").sends(&A.client(""), ahead(&A, 0)),
        established("a SYN of the member's").sends(&A.member("S"), back(&A, 0)),
        established("a GSO packet to the member").sends_gso(
            &carrying(A.client("PA"), &[5; 2900]),
            1450,
            ahead(&A, 2900),
        ),
        established("a GSO packet to the client").sends_gso(
            &carrying(A.member("PA"), &[5; 2901]),
            1448,
            back(&A, 2901),
        ),
    ]);
}

#[test]
fn connections_do_not_mix() {
    let both = |name| {
        let given = A.established().into_iter().chain(B.established());
        case(name).conns(&[A, B]).given(given)
    };
    check([
        both("the second client's").sends(&carrying(B.client("PA"), b"abc"), ahead(&B, 3)),
        both("the second member's").sends(&carrying(B.member("PA"), b"abc"), back(&B, 3)),
        both("the first client's").sends(&carrying(A.client("PA"), b"abc"), ahead(&A, 3)),
        both("the second member's FIN").sends(
            &B.member("FA"),
            "forward_to_client +1; member 1: packets_out +1; ~ B>: member_fin member_first;
             ~ B<: seen news next +1",
        ),
    ]);
}
