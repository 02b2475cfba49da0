//! SYNs that open connections, and who gets them.

use lb_common::state::Method;
use lb_tests::datapath::{Conn, World};

use super::case::{case, check};
use super::{A, B, opens};

/// MSS, SACK permitted, timestamps, window scale, as Linux sends them.
const SYN_OPTIONS: [u8; 20] = [2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0, 1, 3, 3, 7];

fn leastconn(weights: &[u32]) -> World {
    World { method: Method::LeastConn, ..World::new(weights) }
}

#[test]
fn whatever_a_syn_carries() {
    let syn = |name| case(format!("a SYN {name}")).conns(&[A]);
    check([
        syn("alone").sends(&A.client("S"), opens(&A)),
        syn("with push and urgent").sends(&A.client("SPU"), opens(&A)),
        syn("with TCP options")
            .sends(&A.client("S").with(|tcp| tcp.tcp_options(&SYN_OPTIONS)), opens(&A)),
        syn("with as many TCP options as fit")
            .sends(&A.client("S").with(|tcp| tcp.tcp_options(&[1; 40])), opens(&A)),
        syn("with IP options").sends(&A.client("S").with(|tcp| tcp.ip_options(&[1; 4])), opens(&A)),
        syn("with as many IP options as fit")
            .sends(&A.client("S").with(|tcp| tcp.ip_options(&[1; 40])), opens(&A)),
        syn("with all options").sends(
            &A.client("S").with(|tcp| tcp.ip_options(&[1; 40]).tcp_options(&[1; 40])),
            opens(&A),
        ),
        syn("with padding, which is no payload")
            .sends(&A.client("S").with(|tcp| tcp.padding(6)), opens(&A)),
        syn("with payload").sends(
            &A.client("S").with(|tcp| tcp.payload(b"early")),
            "forward_to_member +1; connection_opened +1; + A> payload 5; + A<;
             member 0: active +1 connections +1 packets_in +1 bytes_in +5",
        ),
    ]);
}

#[test]
fn round_robin() {
    let third = Conn::new("C", 103, 27_000, 27_000, 0);
    let heavy = |name, client, member| Conn::new(name, client, 25_000, 25_000, member);
    let [first, second, last] = [
        Conn::new("C", 103, 25_001, 25_001, 0),
        Conn::new("D", 104, 25_002, 25_002, 0),
        heavy("E", 105, 1),
    ];
    check([
        case("the second connection gets the second member")
            .conns(&[A, B])
            .given(A.opening())
            .sends(&B.client("S"), opens(&B)),
        case("the third connection gets the first member again")
            .conns(&[A, B, third])
            .given(A.opening().into_iter().chain(B.opening()))
            .sends(&third.client("S"), opens(&third)),
        case("3:1 is a a a b")
            .world(World::new(&[3, 1]))
            .conns(&[A, first, second, last])
            .given([A, first, second].iter().flat_map(Conn::opening))
            .sends(&last.client("S"), opens(&last)),
        case("a load makes no difference")
            .conns(&[A, B, third])
            .given(A.established().into_iter().chain(B.closed()))
            .sends(&third.client("S"), opens(&third)),
    ]);
}

#[test]
fn least_connections() {
    let third = |member| Conn::new("C", 103, 27_000, 27_000, member);
    check([
        case("the first of idle members")
            .world(leastconn(&[1, 1]))
            .conns(&[A])
            .sends(&A.client("S"), opens(&A)),
        case("the idle member")
            .world(leastconn(&[1, 1]))
            .conns(&[A, B])
            .given(A.opening())
            .sends(&B.client("S"), opens(&B)),
        case("the member whose connection has closed")
            .world(leastconn(&[1, 1]))
            .conns(&[A, B, third(1)])
            .given(A.opening().into_iter().chain(B.closed()))
            .sends(&third(1).client("S"), opens(&third(1))),
        case("of two idle members the one that has been idle longer")
            .world(leastconn(&[1, 1]))
            .conns(&[A, B])
            .given(A.closed())
            .sends(&B.client("S"), opens(&B)),
        case("twice the weight takes two")
            .world(leastconn(&[2, 1]))
            .conns(&[A, B, third(0)])
            .given(A.opening().into_iter().chain(B.opening()))
            .sends(&third(0).client("S"), opens(&third(0))),
        case("an idle member goes before any weight")
            .world(leastconn(&[256, 1]))
            .conns(&[A, B])
            .given(A.opening())
            .sends(&B.client("S"), opens(&B)),
    ]);
}

#[test]
fn a_member_is_its_own_client() {
    let own = Conn::new("H", 1, 25_000, 25_000, 0);
    // From the very port that the member listens on.
    let same = Conn::new("H", 1, 8080, 30_000, 0);
    let narrow = || World { ports: (30_000, 30_000), ..World::new(&[1]) };
    check([
        case("its SYN").conns(&[own]).sends(&own.client("S"), opens(&own)),
        case("its answer").conns(&[own]).given(own.opening()).sends(
            &own.member("SA"),
            "forward_to_client +1; member 0: packets_out +1; ~ H>: acked 2000000 accepted;
             ~ H<: seen news next 2000000 acked 1000000",
        ),
        case("its SYN from the port it listens on")
            .world(narrow())
            .conns(&[same])
            .sends(&same.client("S"), opens(&same)),
        case("its answer from the port it listens on")
            .world(narrow())
            .conns(&[same])
            .given(same.opening())
            .sends(
                &same.member("SA"),
                "forward_to_client +1; member 0: packets_out +1; ~ H>: acked 2000000 accepted;
             ~ H<: seen news next 2000000 acked 1000000",
            ),
    ]);
}
