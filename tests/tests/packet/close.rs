//! The end of connections.

use lb_tests::datapath::{Pair, World};

use super::case::{case, check};
use super::{A, ahead, back};

const CLOSED_BY_CLIENT: &str = "connection_closed +1; forward_to_member +1;
    member 0: active -1 packets_in +1";
const CLOSED_BY_MEMBER: &str = "connection_closed +1; forward_to_client +1;
    member 0: active -1 packets_out +1";

#[test]
fn by_fin() {
    let established = |name| case(name).conns(&[A]).given(A.established());
    let client_done = |name| established(name).given([A.client("FA").action()]);
    let member_done = |name| established(name).given([A.member("FA").action()]);
    let closed = |name| case(name).conns(&[A]).given(A.closed());
    check([
        established("the client's first").sends(
            &A.client("FA"),
            "forward_to_member +1; member 0: packets_in +1; ~ A>: seen news next +1 client_fin",
        ),
        established("the member's first").sends(
            &A.member("FA"),
            "forward_to_client +1; member 0: packets_out +1; ~ A>: member_fin member_first;
             ~ A<: seen news next +1",
        ),
        established("with data").sends(
            &A.client("FPA").with(|tcp| tcp.payload(b"bye")),
            "forward_to_member +1; member 0: packets_in +1 bytes_in +3;
             ~ A>: seen news payload +3 next +4 client_fin",
        ),
        client_done("the client's once more").sends(&A.client("FA"), ahead(&A, 0)),
        client_done("data of the member's behind the client's FIN")
            .sends(&A.member("PA").with(|tcp| tcp.payload(b"rest")), back(&A, 4)),
        client_done("the member's second").sends(
            &A.member("FA").with(|tcp| tcp.ack(1_000_001)),
            format!("{CLOSED_BY_MEMBER}; ~ A>: member_fin; ~ A<: seen news next +1 acked +1"),
        ),
        client_done("the member's, sent before it had the client's").sends(
            &A.member("FA"),
            format!(
                "{CLOSED_BY_MEMBER}; A<: port waiting; ~ A>: member_fin crossed;
                 ~ A<: seen news next +1"
            ),
        ),
        member_done("the client's second").sends(
            &A.client("FA"),
            format!("{CLOSED_BY_CLIENT}; A<: port waiting; ~ A>: seen news next +1 client_fin"),
        ),
        member_done("the client's second, with a timestamp").sends(
            &A.client("FA").with(|tcp| tcp.tcp_options(&[1, 1, 8, 10, 0, 0, 1, 0, 0, 0, 0, 9])),
            format!(
                "{CLOSED_BY_CLIENT}; A<: port waiting;
                 ~ A>: seen news next +1 stamp 256 client_fin"
            ),
        ),
        closed("the last ACK").sends(&A.client("A"), ahead(&A, 0)),
        closed("the member's once more").sends(&A.member("FA"), back(&A, 0)),
        closed("the client's once more").sends(&A.client("FA"), ahead(&A, 0)),
        closed("a reset afterwards counts nothing").sends(
            &A.client("R").with(|tcp| tcp.seq(1_000_001)),
            "forward_to_member +1; member 0: packets_in +1; ~ A>: seen client_rst",
        ),
        case("without ACK, before the handshake is complete")
            .conns(&[A])
            .given(A.opening())
            .sends(&A.client("F"), ahead(&A, 0)),
        case("the FIN that also completes the handshake")
            .conns(&[A])
            .given(A.opening())
            .given([A.member("SA").action()])
            .sends(
                &A.client("FA"),
                "forward_to_member +1; member 0: packets_in +1;
                 ~ A>: seen news next +1 completed client_fin",
            ),
    ]);
}

#[test]
fn by_reset() {
    let opening = |name| case(name).conns(&[A]).given(A.opening());
    let established = |name| case(name).conns(&[A]).given(A.established());
    let reset = |name| established(name).given([A.client("R").action()]);
    let by_client = || format!("{CLOSED_BY_CLIENT}; ~ A>: seen client_rst");
    let by_member = || format!("{CLOSED_BY_MEMBER}; ~ A>: member_rst; ~ A<: seen");
    check([
        opening("the member refuses, and there is no other").world(World::new(&[1])).sends(
            &A.member("RA"),
            "connection_closed +1; forward_to_client +1;
             member 0: active -1 packets_out +1 failed +1 failures +1; ~ A>: member_rst; ~ A<: seen",
        ),
        opening("the client gives up").sends(&A.client("R"), by_client()),
        established("the client's").sends(&A.client("R"), by_client()),
        established("the client's, with ACK").sends(&A.client("RA"), by_client()),
        established("the member's").sends(&A.member("R"), by_member()),
        established("with FIN, which then does not matter").sends(&A.client("RFA"), by_client()),
        established("the member's, with FIN").sends(&A.member("RFA"), by_member()),
        established("after the client's FIN")
            .given([A.client("FA").action()])
            .sends(&A.member("R"), by_member()),
        reset("the client's once more").sends(&A.client("R"), ahead(&A, 0)),
        reset("the member's after the client's").sends(
            &A.member("R"),
            "forward_to_client +1; member 0: packets_out +1; ~ A>: member_rst; ~ A<: seen",
        ),
        reset("data of the member's")
            .sends(&A.member("PA").with(|tcp| tcp.payload(b"late")), back(&A, 4)),
        reset("the member's FIN").sends(
            &A.member("FA"),
            "forward_to_client +1; member 0: packets_out +1; ~ A>: member_fin member_first;
             ~ A<: seen news next +1",
        ),
    ]);
}

/// Somebody who knows the addresses but not the numbers changes nothing; the end that the segment is
/// for decides by itself (RFC 5961).
#[test]
fn what_the_other_end_does_not_take_closes_nothing() {
    let opening = |name| case(name).conns(&[A]).given(A.opening());
    let established = |name| case(name).conns(&[A]).given(A.established());
    let sent = |name, pair: Pair| {
        established(name).given([pair.with(|tcp| tcp.payload(&[7; 100])).action()])
    };
    let ignored = |direction: &str| format!("reset_ignored +1; {direction}");
    let at = |pair: Pair, seq| pair.with(|tcp| tcp.seq(seq));
    let (early, late) = (1_999_999, 2_000_101);
    check([
        opening("a RST of the client's far off")
            .sends(&at(A.client("R"), 7), ignored(&ahead(&A, 0))),
        opening("a RST of the member's without ACK").sends(&A.member("R"), ignored(&back(&A, 0))),
        opening("a RST of the member's that acknowledges something else")
            .sends(&A.member("RA").with(|tcp| tcp.ack(1_000_001)), ignored(&back(&A, 0))),
        established("a RST of the client's before what the member expects")
            .sends(&at(A.client("R"), 999_999), ignored(&ahead(&A, 0))),
        established("a RST of the client's behind what it has sent")
            .sends(&at(A.client("R"), 1_000_001), ignored(&ahead(&A, 0))),
        sent("a RST of the member's before what the client expects", A.member("PA"))
            .sends(&at(A.member("R"), early), ignored(&back(&A, 0))),
        sent("a RST of the member's behind what it has sent", A.member("PA"))
            .sends(&at(A.member("R"), late), ignored(&back(&A, 0))),
        sent("a RST of the member's behind data on its way", A.member("PA")).sends(
            &at(A.member("R"), 2_000_100),
            format!("{CLOSED_BY_MEMBER}; ~ A>: member_rst; ~ A<: seen"),
        ),
        established("a FIN far ahead").sends(&at(A.client("FA"), 1 << 31), ahead(&A, 0)),
        sent("a FIN before data", A.client("PA")).sends(&A.client("FA"), ahead(&A, 0)),
    ]);
}

#[test]
fn numbers_wrap() {
    let from = |pair: Pair, seq, ack| pair.with(|tcp| tcp.seq(seq).ack(ack)).action();
    let top = u32::MAX;
    let established = |name| {
        case(name).conns(&[A]).given([
            from(A.client("S"), top - 1, 0),
            from(A.member("SA"), top, top),
            from(A.client("A"), top, 0),
        ])
    };
    check([
        established("data over the edge").sends(
            &A.client("PA").with(|tcp| tcp.seq(top).ack(0).payload(b"abc")),
            "forward_to_member +1; member 0: packets_in +1 bytes_in +3;
             ~ A>: seen news payload +3 next +3",
        ),
        established("the client's RST at the edge").sends(
            &A.client("R").with(|tcp| tcp.seq(top)),
            format!("{CLOSED_BY_CLIENT}; ~ A>: seen client_rst"),
        ),
        established("the member's RST behind the edge").sends(
            &A.member("R").with(|tcp| tcp.seq(0)),
            format!("{CLOSED_BY_MEMBER}; ~ A>: member_rst; ~ A<: seen"),
        ),
    ]);
}

/// Nothing is near a number that the other end has made up.
#[test]
fn a_members_numbers_start_anywhere() {
    for start in [0, 1, 1 << 24, 1 << 31, 4_032_206_445, u32::MAX] {
        let from = |pair: Pair, seq, ack| pair.with(|tcp| tcp.seq(seq).ack(ack));
        let next = start.wrapping_add(1);
        let established = |name| {
            case(format!("{name}, from {start}")).conns(&[A]).given([
                from(A.client("S"), 999_999, 0).action(),
                from(A.member("SA"), start, 1_000_000).action(),
                from(A.client("A"), 1_000_000, next).action(),
            ])
        };
        check([
            established("the member's RST").sends(
                &from(A.member("R"), next, 0),
                format!("{CLOSED_BY_MEMBER}; ~ A>: member_rst; ~ A<: seen"),
            ),
            established("a RST that is not the member's").sends(
                &from(A.member("R"), start, 0),
                format!("reset_ignored +1; {}", back(&A, 0)),
            ),
        ]);
    }
}
