//! Which port of the VIP a member sees.

use lb_tests::datapath::{Conn, World};

use super::case::{case, check};
use super::{A, B, opens};

fn range(weights: &[u32], low: u16, high: u16) -> World {
    World { ports: (low, high), ..World::new(weights) }
}

#[test]
fn the_client_keeps_its_port_if_it_can() {
    let at = |port, nat| Conn::new("A", 101, port, nat, 0);
    let only = |port| range(&[1], port, port);
    check([
        case("the lowest port of the range")
            .conns(&[at(20_000, 20_000)])
            .sends(&at(20_000, 20_000).client("S"), opens(&at(20_000, 20_000))),
        case("the highest port of the range")
            .conns(&[at(29_999, 29_999)])
            .sends(&at(29_999, 29_999).client("S"), opens(&at(29_999, 29_999))),
        case("a port below the range")
            .world(only(30_000))
            .conns(&[at(29_999, 30_000)])
            .sends(&at(29_999, 30_000).client("S"), opens(&at(29_999, 30_000))),
        case("a port above the range")
            .world(only(30_000))
            .conns(&[at(30_001, 30_000)])
            .sends(&at(30_001, 30_000).client("S"), opens(&at(30_001, 30_000))),
        case("the highest port there is")
            .world(only(65_535))
            .conns(&[at(1, 65_535)])
            .sends(&at(1, 65_535).client("S"), opens(&at(1, 65_535))),
    ]);
}

#[test]
fn no_two_connections_share_a_port_of_a_member() {
    let other = |member| Conn::new("B", 102, 25_000, 25_000, member);
    let moved = Conn::new("B", 102, 25_000, 25_001, 0);
    let narrow = range(&[1], 25_000, 25_001);
    let first = A.opening();
    check([
        case("two members may see the same port")
            .conns(&[A, other(1)])
            .given(first.clone())
            .sends(&other(1).client("S"), opens(&other(1))),
        case("a taken port is tried and left")
            .world(narrow)
            .conns(&[A, moved])
            .given(first.clone())
            .sends(&moved.client("S"), format!("port_taken +1; {}", opens(&moved))),
        case("every port is taken")
            .world(range(&[1], 25_000, 25_000))
            .conns(&[A])
            .given(first)
            .passes(B.client("S").input.frame(), "refuse_no_port +1; port_taken +32"),
    ]);
}

#[test]
fn a_member_never_sees_the_listeners_port() {
    let own = Conn::new("A", 101, 80, 81, 0);
    check([
        case("the client's own port is the listener's")
            .world(range(&[1], 80, 81))
            .conns(&[own])
            .sends(&own.client("S"), opens(&own)),
        case("the listener's port is all there is")
            .world(range(&[1], 80, 80))
            .passes(A.client("S").input.frame(), "refuse_no_port +1"),
    ]);
}
