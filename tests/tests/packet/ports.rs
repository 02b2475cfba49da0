//! Which port of the VIP a member sees.

use std::net::Ipv4Addr;

use lb_tests::datapath::{Action, Age, CLIENT_SEQ, Conn, MEMBER_SEQ, Pair, Stamping, World};

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
            .passes(B.client("S").input.frame(), "refuse_no_port +1"),
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

/// A pool has a port for a client as long as there is one, wherever in the range it is.
#[test]
fn the_last_free_port_is_found() {
    // Over the edge of two blocks.
    let (low, high) = (25_550, 25_650);
    check([low, 25_599, 25_600, high, 25_562].map(|last| {
        let others = (low..=high).filter(|port| *port != last);
        let given = others.map(|port| Conn::new("O", 103, port, port, 0).client("S").action());
        let conn = Conn::new("A", 101, 40_000, last, 0);
        case(format!("{last} of {low} to {high}"))
            .world(range(&[1], low, high))
            .conns(&[conn])
            .given(given)
            .sends(&conn.client("S"), opens(&conn))
    }));
}

/// Another client that needs the port of [`A`]; the only one there is.
const HEIR: Conn = Conn::new("H", 102, 26_000, 25_000, 0);

const STAMP: u32 = 1000;

fn stamped(pair: Pair, stamp: u32) -> Pair {
    let mut options = vec![1, 1, 8, 10];
    options.extend(stamp.to_be_bytes());
    options.extend([0; 4]);
    pair.with(|tcp| tcp.tcp_options(&options))
}

fn takes_over() -> String {
    format!("{}; port_reused +1; - A>; - A< + H<", opens(&HEIR).replace("; + H<", ""))
}

/// What a member that closed first takes on the same port while it is in TIME_WAIT.
#[test]
fn a_port_that_the_member_waits_on_goes_to_a_syn_that_it_takes() {
    let only = || range(&[1], 25_000, 25_000);
    let waiting = |name: &str, end: u32| {
        case(name).world(only()).conns(&[A, HEIR]).given(A.closed_by_member(end))
    };
    // The SYN has the number before CLIENT_SEQ.
    let (older, newer) = (CLIENT_SEQ - 2, CLIENT_SEQ - 1);
    let with_stamp = |name: &str, end: u32| {
        let mut given = A.closed_by_member(end);
        given.pop();
        let last = A.client("FA").with(|tcp| tcp.seq(end - 1).ack(MEMBER_SEQ + 1));
        given.push(stamped(last, STAMP).action());
        case(name).world(only()).conns(&[A, HEIR]).given(given)
    };
    let syn = |stamp| stamped(HEIR.client("S"), stamp);
    let refused = "refuse_no_port +1";
    check([
        waiting("a newer number", older).sends(&HEIR.client("S"), takes_over()),
        waiting("the same number", newer).passes(HEIR.client("S").input.frame(), refused),
        waiting("an older number", CLIENT_SEQ + 7).passes(HEIR.client("S").input.frame(), refused),
        waiting("numbers wrap", (CLIENT_SEQ - 1).wrapping_sub(i32::MAX as u32))
            .sends(&HEIR.client("S"), takes_over()),
        waiting("a timestamp where there was none", newer)
            .passes(syn(STAMP).input.frame(), refused),
        with_stamp("a newer number, an older timestamp", older)
            .passes(syn(STAMP - 1).input.frame(), refused),
        with_stamp("a newer number, the same timestamp", older).sends(&syn(STAMP), takes_over()),
        with_stamp("an older number, a newer timestamp", CLIENT_SEQ + 7)
            .sends(&syn(STAMP + 1), takes_over()),
        with_stamp("an older number, the same timestamp", CLIENT_SEQ + 7)
            .passes(syn(STAMP).input.frame(), refused),
        with_stamp("a newer number, no timestamp", older).sends(&HEIR.client("S"), takes_over()),
    ]);
}

#[test]
fn the_member_has_forgotten_after_a_minute() {
    let past = Stamping::Each { client: Age::Ancient, member: Age::Ancient, opened: Age::Ancient };
    check([case("an older number, long after")
        .world(range(&[1], 25_000, 25_000))
        .conns(&[A, HEIR])
        .given(A.closed_by_member(CLIENT_SEQ + 7))
        .given([Action::Stamp(past)])
        .keeping_ages()
        .sends(&HEIR.client("S"), takes_over())]);
}

/// Free ports first, then those that the member has nothing left of, then those it waits on.
#[test]
fn what_disturbs_the_member_least_comes_first() {
    let last_ack = A.client("A").with(|tcp| tcp.seq(CLIENT_SEQ + 1).ack(MEMBER_SEQ + 1));
    let quiet = || A.closed().into_iter().chain([last_ack.action()]);
    let other = Conn::new("W", 103, 25_001, 25_001, 0);
    let free = Conn::new("F", 102, 26_000, 25_002, 0);
    let waiting = || other.closed_by_member(CLIENT_SEQ - 2);
    let resting = |name: &str, high| {
        let world = range(&[1], 25_000, high);
        case(name).world(world).conns(&[A, other, HEIR, free]).given(waiting()).given(quiet())
    };
    check([
        resting("a free one", 25_002).sends(&free.client("S"), opens(&free)),
        resting("none is free", 25_001).sends(&HEIR.client("S"), takes_over()),
        case("the client's last ACK may be on its way")
            .world(range(&[1], 25_000, 25_000))
            .conns(&[A, HEIR])
            .given(A.closed())
            .passes(HEIR.client("S").input.frame(), "refuse_no_port +1"),
        case("reset by the member")
            .world(range(&[1], 25_000, 25_000))
            .conns(&[A, HEIR])
            .given(A.established())
            .given([A.member("R").action()])
            .sends(&HEIR.client("S"), takes_over()),
    ]);
}

/// A client that comes again knows best that its connection is over: it gets the port that it had.
#[test]
fn a_client_that_comes_again_gets_its_port_again() {
    let again =
        "forward_to_member +1; connection_opened +1; connection_reopened +1; port_reused +1;
        member 0: active +1 connections +1 packets_in +1; - A> + A>; - A< + A<";
    let far = Conn::new("A", 101, 40_000, 25_000, 0);
    let only = range(&[1], 25_000, 25_000);
    check([
        case("its own")
            .world(World::new(&[1]))
            .conns(&[A])
            .given(A.closed_by_member(CLIENT_SEQ - 2))
            .sends(&A.client("S"), again),
        case("another than its own")
            .world(only)
            .conns(&[far])
            .given(far.closed_by_member(CLIENT_SEQ - 2))
            .sends(&far.client("S"), again),
    ]);
}

#[test]
fn further_source_addresses_have_ports_of_their_own() {
    let source = Ipv4Addr::new(10, 0, 0, 251);
    let conn = Conn { source, ..Conn::new("A", 101, 25_000, 80, 0) };
    let world = World { snat: vec![source], ..range(&[1], 80, 80) };
    let established = |name: &str| case(name).world(world.clone()).conns(&[conn]);
    let other = Conn { source, ..Conn::new("B", 102, 26_000, 80, 0) };
    check([
        established("where the VIP has none left").sends(&conn.client("S"), opens(&conn)),
        established("the member's answer").given(conn.opening()).sends(
            &conn.member("SA"),
            "forward_to_client +1; member 0: packets_out +1; ~ A>: acked 2000000 accepted;
                 ~ A<: seen news next 2000000 acked 1000000",
        ),
        established("neither has one")
            .given(conn.opening())
            .passes(other.client("S").input.frame(), "refuse_no_port +1"),
    ]);
}
