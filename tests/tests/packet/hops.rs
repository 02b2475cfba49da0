//! Hops that a packet may still take: TTL, hop limit.

use lb_tests::datapath::{Conn, Pair, World};

use super::case::{Case, Said, case, check};
use super::{A, ahead, back, opens, udp};

/// The segment comes in with so many hops and goes out with so many.
fn hops(pair: Pair, before: u8, after: u8) -> Pair {
    Pair { input: pair.input.hops(before), output: pair.output.hops(after) }
}

fn dropped(case: Case, pair: Pair) -> Said {
    case.drops(pair.input.hops(0).frame(), "drop_hop_limit +1")
}

#[test]
fn a_syn_loses_a_hop() {
    let syn = || A.client("S");
    check([1, 2, 64, 128, 255].map(|before| {
        case(format!("{before} hops"))
            .conns(&[A])
            .sends(&hops(syn(), before, before - 1), opens(&A))
    }));
}

#[test]
fn a_syn_that_has_none_left_goes_nowhere() {
    let opening = |name| case(name).conns(&[A]).given(A.opening());
    let syn = || A.client("S");
    let elsewhere = syn().input.readdressed(A.client, A.client).hops(0).frame();
    check([
        dropped(case("new"), syn()),
        dropped(opening("once more"), syn()),
        dropped(case("a connection that is over stays so").conns(&[A]).given(A.closed()), syn()),
        case("to nobody here").passes(elsewhere, "pass_not_vip +1"),
        case("an ACK, of nothing")
            .passes(A.client("A").input.hops(0).frame(), "pass_no_connection +1"),
    ]);
}

/// A connection that has opened has an end.
#[test]
fn whatever_else_a_connection_consists_of_keeps_its_hops() {
    let established = |name| case(name).conns(&[A]).given(A.established());
    check([
        established("of the client's").sends(&hops(A.client("A"), 0, 0), ahead(&A, 0)),
        established("of the member's").sends(&hops(A.member("A"), 0, 0), back(&A, 0)),
        established("a SYN of the member's").sends(&hops(A.member("S"), 0, 0), back(&A, 0)),
        case("a SYN-ACK").conns(&[A]).given(A.opening()).sends(
            &hops(A.member("SA"), 0, 0),
            "forward_to_client +1; member 0: packets_out +1; ~ A>: acked 2000000 accepted;
             ~ A<: seen news next 2000000 acked 1000000",
        ),
    ]);
}

/// Whoever refuses it must not give it new ones.
#[test]
fn a_syn_that_goes_to_another_member_has_as_many_as_at_first() {
    let next = Conn { name: "N", member: 1, ..A };
    let moved = "forward_to_member +1; redispatched_refused +1;
        member 0: active -1 failed +1 failures +1;
        member 1: active +1 connections +1 packets_in +1; - A> + N>; - A<; + N<";
    check([1, 9, 255].map(|before| {
        case(format!("{before} hops"))
            .world(World::new(&[1, 1]))
            .conns(&[A, next])
            .given([A.client("S").with(|tcp| tcp.hops(before)).action()])
            .rewrites(
                A.member("RA").input.frame(),
                next.client("S").output.id(0).hops(before - 1).frame(),
                moved,
            )
    }));
}

/// Each of them may open a flow where it arrives.
#[test]
fn a_datagram_to_a_member_loses_a_hop() {
    let flow = udp::A;
    let given = |before: usize| [vec![], udp::asked(&flow), udp::answered(&flow)][before].clone();
    let told = |name: &str, before: usize| {
        case(name).world(World::udp(&[1, 1])).conns(&[flow]).given(given(before))
    };
    let asks = |before: u8| {
        let pair = flow.asks(b"query");
        (pair.input.hops(before).frame(), pair.output.hops(before.saturating_sub(1)).frame())
    };
    let goes = |case: Case, hops: u8, delta: String| {
        let (input, output) = asks(hops);
        case.rewrites(input, output, delta)
    };
    let ends = |case: Case| case.drops(asks(0).0, "drop_hop_limit +1");
    let answer = flow.answers(b"answer");
    check([
        goes(told("the first", 0), 1, udp::opens(&flow, 5)),
        goes(told("another one", 1), 255, udp::asks(&flow, 5)),
        goes(told("with the last hop", 2), 1, udp::asks(&flow, 5)),
        ends(told("the first with none", 0)),
        ends(told("another one with none", 2)),
        told("an answer keeps them", 2).rewrites(
            answer.input.hops(0).frame(),
            answer.output.hops(0).frame(),
            udp::answers(&flow, 6),
        ),
    ]);
}
