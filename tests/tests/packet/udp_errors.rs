//! ICMP errors about datagrams.

use etherparse::Icmpv4Type::{self, DestinationUnreachable, TimeExceeded};
use etherparse::icmpv4::DestUnreachableHeader as Unreachable;
use etherparse::icmpv4::TimeExceededCode;
use lb_tests::datapath::{Action, Conn, Udp, UdpPair, World, frame_ends, icmp_error, member};
use lb_userspace::datapath::Failover;

use super::case::{Case, Said, case, check};
use super::checksum::shifted;
use super::icmp::{ROUTER, TO_CLIENT, TO_MEMBER, TOO_BIG, framed, told};
use super::udp::{A, MOVED, answered, asked, asks, changed, comes, frames};

const PORT: Icmpv4Type = DestinationUnreachable(Unreachable::Port);

/// What a flow changes whose member cannot be reached, besides the error.
const NOTED: &str = "member 0: failed +1 failures +1; ~ A>: unreachable";

/// An error about the datagram on its last hops, as it comes in and as it should go out.
fn about(kind: &Icmpv4Type, datagram: &UdpPair, bytes: usize) -> [Vec<u8>; 2] {
    let late = datagram.clone().with(|udp| udp.hops(2));
    framed(ROUTER, kind, frames(&late), bytes)
}

fn known(name: impl Into<String>) -> Case {
    case(name).world(World::udp(&[1, 1])).conns(&[A])
}

/// A datagram of either end, and what changes when the other side does not take it.
fn both_ways(payload: &[u8]) -> [(&'static str, UdpPair, &'static str); 2] {
    [("the client's", A.asks(payload), TO_CLIENT), ("the member's", A.answers(payload), TO_MEMBER)]
}

/// The member says that nobody listens there, about the flow's first datagram.
fn refused(conn: &Conn) -> Action {
    let [_, lost] = frames(&conn.asks(b"query"));
    let (vip, host) = (conn.vip(), *member(conn.member).ip());
    assert_eq!(frame_ends(&lost).unwrap().0, vip);
    Action::Frame(icmp_error(host, *vip.ip(), &PORT, &lost, 28))
}

#[test]
fn every_kind_of_error_goes_to_who_sent_the_datagram() {
    let kinds = [
        TOO_BIG,
        PORT,
        DestinationUnreachable(Unreachable::Host),
        TimeExceeded(TimeExceededCode::TtlExceededInTransit),
    ];
    check(kinds.iter().flat_map(|kind| {
        both_ways(b"much").map(|(whose, datagram, delta)| {
            let name = format!("{kind:?} about {whose}");
            told(known(name).given(answered(&A)), about(kind, &datagram, 28), delta)
        })
    }));
}

/// Of a datagram with 48 bytes of headers and text.
#[test]
fn quotes_of_every_length() {
    check((28..=48).flat_map(|bytes| {
        both_ways(b"twenty bytes of text").map(|(whose, datagram, delta)| {
            let name = format!("{bytes} bytes of {whose}");
            told(known(name).given(answered(&A)), about(&TOO_BIG, &datagram, bytes), delta)
        })
    }));
}

/// A datagram of which `end` has a checksum of all ones, which stands for zero.
fn of_all_ones(conn: Conn, end: impl Fn(&UdpPair) -> &Udp) -> UdpPair {
    let is_all_ones = |udp: &Udp| udp.frame()[Udp::CHECKSUM..Udp::CHECKSUM + 2] == [0xff; 2];
    let mut pairs = (0..=u16::MAX).map(|word| conn.asks(&word.to_be_bytes()));
    pairs.find(|pair| is_all_ones(end(pair))).unwrap()
}

#[test]
fn checksums_of_what_is_quoted() {
    // The client's port is outside of the range, so the ports are changed too.
    let conn = Conn::udp("A", 101, 25_000, 21_000, 0);
    let known = |name: &str| {
        let world = World { ports: (21_000, 21_000), ..World::udp(&[1]) };
        let given = [conn.asks(b"query"), conn.answers(b"answer")];
        case(name).world(world).conns(&[conn]).given(given.map(|pair| pair.action()))
    };
    let odd = conn.asks(b"odd");
    let late = odd.clone().with(|udp| udp.hops(2));
    let wrong = [&late.input, &late.output].map(|udp| shifted(udp.frame(), Udp::CHECKSUM, 0x0100));
    let quoted = |pair: &UdpPair| about(&TOO_BIG, pair, 28);
    check([
        told(known("right"), quoted(&odd), TO_CLIENT),
        told(known("none"), quoted(&odd.clone().with(Udp::unsummed)), TO_CLIENT),
        told(known("all ones"), quoted(&of_all_ones(conn, |pair| &pair.output)), TO_CLIENT),
        told(known("becomes all ones"), quoted(&of_all_ones(conn, |pair| &pair.input)), TO_CLIENT),
        told(known("wrong"), framed(ROUTER, &TOO_BIG, wrong, 28), TO_CLIENT),
        told(
            known("IP options"),
            about(&TOO_BIG, &odd.with(|udp| udp.ip_options(&[1; 12])), 40),
            TO_CLIENT,
        ),
    ]);
}

#[test]
fn who_has_sent_nothing_is_told_of_nothing() {
    let [input, _] = about(&TOO_BIG, &A.answers(b""), 28);
    let [stranger, _] = about(&TOO_BIG, &A.asks(b"query"), 28);
    check([
        known("a member that has not answered")
            .given(asked(&A))
            .passes(input, "pass_icmp_stale +1"),
        known("nobody").passes(stranger, "pass_icmp_unknown +1"),
    ]);
}

#[test]
fn a_member_that_has_not_answered_and_cannot_be_reached_has_failed() {
    let noted = format!("{TO_CLIENT}; {NOTED}");
    let told = |name: &str, kind: &Icmpv4Type, given: Vec<Action>, delta: &str| {
        told(known(name).given(given), about(kind, &A.asks(b"query"), 28), delta)
    };
    let once = || [asked(&A), vec![refused(&A)]].concat();
    let host = DestinationUnreachable(Unreachable::Host);
    let ejecting = World {
        failover: Failover { retries: 3, eject_after: 1, eject_for: 1_000_000_000 },
        ..World::udp(&[1, 1])
    };
    let [input, output] = about(&PORT, &A.asks(b"query"), 28);
    check([
        told("its port", &PORT, asked(&A), &noted),
        told("its host", &host, asked(&A), &noted),
        told("too big a datagram says nothing of the kind", &TOO_BIG, asked(&A), TO_CLIENT),
        told("a flow fails once", &PORT, once(), &TO_CLIENT.replace("; budget Now", "")),
        told("it has answered", &PORT, answered(&A), TO_CLIENT),
        known("the last straw").world(ejecting).given(asked(&A)).rewrites(
            input,
            output,
            format!("{noted}; member_ejected +1").replace("failures +1", "failures +1 out Now"),
        ),
    ]);
}

#[test]
fn the_next_datagram_goes_to_another_member() {
    let [input, output] = frames(&MOVED.asks(b"query"));
    let moves = format!(
        "redispatched_refused +1; member 0: active -1; {}; - A<",
        comes(&MOVED, "active +1 connections +1", 5).replace("+ M> ", "- A> + M> ")
    );
    let refused = |name: &str| {
        let given = [asked(&A), vec![refused(&A)]].concat();
        case(name).world(World::udp(&[1, 1])).conns(&[A, MOVED]).given(given)
    };
    let stays = |said: Case| {
        let [input, output] = frames(&A.asks(b"more"));
        said.rewrites(input, output, asks(&A, 4))
    };
    let never = Failover { retries: 0, eject_after: 0, eject_for: 0 };
    let alone = changed(&[(0, 1)]);
    let said: [Said; 6] = [
        refused("there is one").rewrites(input.clone(), output.clone(), moves.clone()),
        refused("but it answers after all").given([A.answers(b"late").action()]).rewrites(
            A.asks(b"more").input.frame(),
            A.asks(b"more").output.frame(),
            asks(&A, 4),
        ),
        stays(refused("there is none").world(World::udp(&[1]))),
        refused("there is none any more").given([alone]).rewrites(
            A.asks(b"more").input.frame(),
            A.asks(b"more").output.frame(),
            format!("{} next +1", asks(&A, 4)),
        ),
        stays(
            refused("nothing is retried").world(World { failover: never, ..World::udp(&[1, 1]) }),
        ),
        refused("and it is gone now").given([changed(&[(1, 1)])]).rewrites(
            input,
            output,
            moves.replace("redispatched_refused", "udp_flow_moved"),
        ),
    ];
    check(said);
}

#[test]
fn no_member_is_tried_twice_while_there_is_another() {
    let back = Conn { name: "B", ..A };
    let again = [asked(&A), vec![refused(&A), MOVED.asks(b"query").action(), refused(&MOVED)]];
    let [input, output] = frames(&MOVED.asks(b"query"));
    check([case("both of two have failed")
        .world(World::udp(&[1, 1]))
        .conns(&[MOVED, back])
        .given(again.concat())
        .rewrites(input, output, asks(&MOVED, 5))]);
}
