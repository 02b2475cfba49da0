//! Members that do not accept.

use std::net::Ipv4Addr;

use etherparse::icmpv4::DestUnreachableHeader;
use lb_tests::datapath::{
    Action, Age, Conn, LISTENER, Pair, Stamping, Tcp, World, member, unreachable,
};
use lb_userspace::datapath::Failover;

use super::case::{Case, Said, case, check};
use super::icmp::TO_CLIENT;
use super::{A, B, ahead, back};

/// Longer than any clock.
const FOREVER: u64 = 1 << 61;

/// Timestamps, window scaling and the like, as Linux sends them.
const OPTIONS: [u8; 20] = [2, 4, 5, 180, 4, 2, 8, 10, 0, 1, 2, 3, 0, 0, 0, 0, 1, 3, 3, 7];

/// The same client as [`A`] at the next members.
const NEXT: Conn = Conn { name: "N", member: 1, ..A };
const THIRD: Conn = Conn { name: "T", member: 2, ..A };

const MOVED: &str = "forward_to_member +1; member 1: active +1 connections +1 packets_in +1;
    - A> + N>; - A<; + N<";

fn failover(retries: u32, eject_after: u32) -> Failover {
    Failover { retries, eject_after, eject_for: FOREVER }
}

fn world(weights: &[u32], failover: Failover) -> World {
    World { failover, ..World::new(weights) }
}

/// A SYN with options as it comes from the client, and as a member gets it when it is sent once more:
/// the datagram around it is a new one.
fn syn(conn: &Conn) -> Pair {
    let Pair { input, output } = conn.client("S").with(|tcp| tcp.tcp_options(&OPTIONS));
    Pair { input, output: output.id(0) }
}

/// What the client hears of its SYN, which has no other member to go to.
fn reported(why: &DestUnreachableHeader) -> Vec<u8> {
    let sent = syn(&A).input.id(0).with_hops_of(&syn(&A).output).frame();
    unreachable(*LISTENER.ip(), *A.client.ip(), why, &sent, 28)
}

fn asked(name: &str) -> Case {
    case(name).conns(&[A, NEXT]).given([syn(&A).action()])
}

/// The packet comes in, the client's SYN goes to the next member.
fn turns_into_the_syn(case: Case, packet: Vec<u8>, delta: impl Into<String>) -> Said {
    case.rewrites(packet, syn(&NEXT).output.frame(), delta)
}

/// Longer ago than a member may take to accept.
pub(crate) fn waited() -> Action {
    Action::Stamp(Stamping::Each { client: Age::Future, member: Age::Future, opened: Age::Ancient })
}

#[test]
fn a_connection_that_is_refused_goes_to_another_member() {
    let refusal = || A.member("RA").input.frame();
    let moved =
        format!("{MOVED}; redispatched_refused +1; member 0: active -1 failed +1 failures +1");
    let gone = "forward_to_client +1; connection_closed +1;
        member 0: active -1 packets_out +1 failed +1 failures +1; ~ A>: member_rst; ~ A<: seen";
    let with_text = A.member("RA").input.payload(b"go away, whoever you are").frame();
    let with_options = A.member("RA").input.tcp_options(&[1; 40]).frame();
    let padded = A.member("RA").input.padding(6).frame();
    let alone = || asked("there is no other").world(World::new(&[1]));
    let without = || asked("no retries").world(world(&[1, 1], failover(0, 0)));
    let plain = case("a SYN without options").conns(&[A, NEXT]).given(A.opening());
    let again = NEXT.client("S").output.id(0).frame();
    check([
        turns_into_the_syn(asked("refused"), refusal(), moved.clone()),
        turns_into_the_syn(asked("with text"), with_text, moved.clone()),
        turns_into_the_syn(asked("with options"), with_options, moved.clone()),
        turns_into_the_syn(asked("padded"), padded, moved.clone()),
        plain.rewrites(refusal(), again, moved),
        alone().sends(&A.member("RA"), gone),
        without().sends(&A.member("RA"), gone),
        asked("a RST without ACK refuses nothing")
            .sends(&A.member("R"), format!("reset_ignored +1; {}", back(&A, 0))),
        asked("one that acknowledges something else").sends(
            &A.member("RA").with(|tcp| tcp.ack(77)),
            format!("reset_ignored +1; {}", back(&A, 0)),
        ),
        asked("a member that has accepted may still reset").given([A.member("SA").action()]).sends(
            &A.member("R"),
            "forward_to_client +1; connection_closed +1;
             member 0: active -1 packets_out +1; ~ A>: member_rst; ~ A<: seen",
        ),
    ]);
}

#[test]
fn each_member_is_tried_once() {
    let refused = |name: &str, retries| {
        let world = world(&[1, 1, 1], failover(retries, 0));
        let given = [syn(&A).action(), A.member("RA").action()];
        case(name).world(world).conns(&[NEXT, THIRD]).given(given)
    };
    let to_the_third = "forward_to_member +1; redispatched_refused +1;
        member 1: active -1 failed +1 failures +1;
        member 2: active +1 connections +1 packets_in +1; - N> + T>; - N<; + T<";
    let last = |member, name| {
        format!(
            "forward_to_client +1; connection_closed +1;
             member {member}: active -1 packets_out +1 failed +1 failures +1;
             ~ {name}>: member_rst; ~ {name}<: seen"
        )
    };
    check([
        refused("the second refuses, too", 3).rewrites(
            NEXT.member("RA").input.frame(),
            syn(&THIRD).output.frame(),
            to_the_third,
        ),
        refused("all have refused", 3)
            .given([NEXT.member("RA").action()])
            .sends(&THIRD.member("RA"), last(2, "T")),
        refused("one retry only", 1).sends(&NEXT.member("RA"), last(1, "N")),
        refused("one retry only, and nobody on the way knows the second", 1).rewrites(
            unreachable(
                Ipv4Addr::new(10, 0, 0, 254),
                *LISTENER.ip(),
                &DestUnreachableHeader::Host,
                &syn(&NEXT).output.frame(),
                28,
            ),
            reported(&DestUnreachableHeader::Host),
            format!("{TO_CLIENT}; member 1: failed +1 failures +1"),
        ),
        refused("one retry only, and the second is silent", 1).long_open().sends(
            &NEXT.client("S").with(|tcp| tcp.tcp_options(&OPTIONS)),
            "forward_to_member +1; member 1: packets_in +1 failed +1 failures +1; ~ N>: seen",
        ),
        refused("the second accepts", 3).sends(
            &NEXT.member("SA"),
            "forward_to_client +1; member 1: packets_out +1; ~ N>: acked 2000000 accepted;
             ~ N<: seen news next 2000000 acked 1000000",
        ),
    ]);
}

#[test]
fn what_the_former_member_still_says_is_not_the_connections() {
    let moved = |name: &str| asked(name).given([A.member("RA").action()]);
    check(
        ["SA", "RA", "A"]
            .map(|flags| moved(flags).passes(A.member(flags).input.frame(), "pass_not_vip +1")),
    );
}

#[test]
fn a_silent_member_is_left_at_the_first_retransmission() {
    let again = || NEXT.client("S").with(|tcp| tcp.tcp_options(&OPTIONS));
    let moved =
        format!("{MOVED}; redispatched_silent +1; member 0: active -1 failed +1 failures +1");
    let same = |name: &str| asked(name).conns(&[A]).long_open();
    let alone = "forward_to_member +1; member 0: packets_in +1 failed +1 failures +1; ~ A>: seen";
    check([
        asked("it took too long").long_open().sends(&again(), moved),
        asked("a copy on the way is no retransmission").sends(&A.client("S"), ahead(&A, 0)),
        same("there is no other").world(World::new(&[1])).sends(&A.client("S"), alone),
        same("the member has accepted, its SYN-ACK got lost")
            .given([A.member("SA").action()])
            .sends(&A.client("S"), ahead(&A, 0)),
        asked("the next is silent, too, and there is no third")
            .long_open()
            .given([waited(), again().action()])
            .sends(
                &again(),
                "forward_to_member +1; member 1: packets_in +1 failed +1 failures +1; ~ N>: seen",
            ),
    ]);
}

#[test]
fn nobody_on_the_way_knows_how_to_reach_the_member() {
    let why = &DestUnreachableHeader::Host;
    let sent = syn(&A).output.frame();
    let error = |why: &DestUnreachableHeader, frame: &[u8], bytes| {
        unreachable("10.0.0.254".parse().unwrap(), *LISTENER.ip(), why, frame, bytes)
    };
    let moved =
        format!("{MOVED}; redispatched_refused +1; member 0: active -1 failed +1 failures +1");
    let foreign = Tcp::new(A.vip(), member(0), "S").seq(5).frame();
    let too_big = DestUnreachableHeader::FragmentationNeeded { next_hop_mtu: 1280 };
    let ours = |name: &str| asked(name);
    check([
        turns_into_the_syn(ours("host"), error(why, &sent, 28), moved.clone()),
        turns_into_the_syn(
            ours("port, quoting all of it"),
            error(&DestUnreachableHeader::Port, &sent, 60),
            moved,
        ),
        ours("too big is another matter").rewrites(
            error(&too_big, &sent, 28),
            reported(&too_big),
            TO_CLIENT,
        ),
        ours("quoting another number").passes(error(why, &foreign, 28), "pass_icmp_stale +1"),
        ours("quoting too little").passes(error(why, &sent, 24), "pass_malformed +1"),
        ours("after the member has accepted").given([A.member("SA").action()]).rewrites(
            error(why, &sent, 28),
            reported(why),
            TO_CLIENT,
        ),
        ours("there is no other").world(World::new(&[1])).rewrites(
            error(why, &sent, 28),
            reported(why),
            format!("{TO_CLIENT}; member 0: failed +1 failures +1"),
        ),
    ]);
}

#[test]
fn a_member_that_keeps_failing_is_ejected() {
    let world = |after| world(&[1, 1], failover(3, after));
    let first = |name: &str, after| {
        case(name).world(world(after)).conns(&[A, NEXT, B]).given([syn(&A).action()])
    };
    let refused = "redispatched_refused +1; member 0: active -1 failed +1";
    let accepts = |conn: &Conn| conn.member("SA").action();
    check([
        turns_into_the_syn(
            first("at once", 1),
            A.member("RA").input.frame(),
            format!("{MOVED}; {refused} failures +1 out Now; member_ejected +1"),
        ),
        turns_into_the_syn(
            first("not yet", 2),
            A.member("RA").input.frame(),
            format!("{MOVED}; {refused} failures +1"),
        ),
        first("back by accepting", 1)
            .given([A.member("RA").action(), Action::Eject(0, Age::Ancient)])
            .given([Conn { member: 0, ..B }.client("S").action()])
            .sends(
                &Conn { member: 0, ..B }.member("SA"),
                "forward_to_client +1; member 0: packets_out +1 failures -1 out Ancient;
                 ~ 10.0.0.102:26000>10.0.0.250:80: acked 2000000 accepted;
                 ~ 10.0.0.1:8080>10.0.0.250:26000: seen news next 2000000 acked 1000000",
            ),
        first("an accepted connection ends the row", 2)
            .given([A.member("RA").action(), accepts(&NEXT)])
            .sends(&NEXT.member("SA"), back(&NEXT, 0)),
    ]);
}

/// When the time of an ejected member is over, one connection tries it and the others do not.
#[test]
fn one_connection_is_the_trial() {
    let ejected = |name: &str| {
        case(name).world(world(&[1, 1], failover(3, 1))).given([
            syn(&A).action(),
            A.member("RA").action(),
            Action::Eject(0, Age::Ancient),
        ])
    };
    let trial = Conn { name: "B", member: 0, ..B };
    let other = Conn::new("C", 103, 27_000, 27_000, 1);
    check([
        ejected("the first").conns(&[trial]).sends(
            &trial.client("S"),
            "forward_to_member +1; connection_opened +1;
             member 0: active +1 connections +1 packets_in +1 out Now; + B>; + B<",
        ),
        ejected("the second").conns(&[other]).given([trial.client("S").action()]).sends(
            &other.client("S"),
            "forward_to_member +1; connection_opened +1;
             member 1: active +1 connections +1 packets_in +1; + C>; + C<",
        ),
    ]);
}
