//! Connections whose members see the client (`mode: dnat`).

use std::net::SocketAddrV4;

use etherparse::Icmpv4Type;
use etherparse::icmpv4::DestUnreachableHeader as Unreachable;
use lb_common::state::Mode;
use lb_tests::datapath::{
    Action, Age, CLIENT_SEQ, Conn, LISTENER, MEMBER_SEQ, POOL, Pair, Tcp, World, icmp_error, member,
};
use lb_userspace::datapath::Listener;

use super::case::{Case, case, check};
use super::expiry::{aged, all, resets, silent};
use super::failover::waited;
use super::icmp::{ROUTER, TO_CLIENT, TO_MEMBER};
use super::{ahead, back, opens};

const A: Conn = super::A.dnat();
const B: Conn = super::B.dnat();
/// The same client as [`A`] at the other member.
const NEXT: Conn = Conn { name: "N", member: 1, ..A };

/// A client that is the first member, as the second member sees it.
const MEMBER: Conn = Conn::new("M", 1, 25_000, 25_000, 1).dnat();

fn world(weights: &[u32]) -> World {
    World { mode: Mode::Dnat, ..World::new(weights) }
}

fn told(name: &str) -> Case {
    case(name).world(world(&[1, 1])).conns(&[A, B, NEXT])
}

fn alone(name: &str) -> Case {
    case(name).world(world(&[1])).conns(&[A, B])
}

#[test]
fn only_the_destination_changes() {
    let syn = A.client("S");
    assert_eq!(syn.output.frame(), syn.input.readdressed(A.client, member(0)).hops(63).frame());
    let answer = A.member("SA");
    assert_eq!(answer.output.frame(), answer.input.readdressed(LISTENER, A.client).frame());
    let text = |pair: Pair| pair.with(|tcp| tcp.payload(b"text"));
    let established = |name| told(name).given(A.established());
    check([
        told("a SYN").sends(&syn, opens(&A)),
        told("from a port beside those for NAT")
            .conns(&[Conn::new("C", 103, 80, 80, 0).dnat()])
            .sends(
                &Conn::new("C", 103, 80, 80, 0).dnat().client("S"),
                opens(&Conn { name: "C", ..A }),
            ),
        told("an answer").given(A.opening()).sends(
            &answer,
            "forward_to_client +1; member 0: packets_out +1; ~ A>: acked 2000000 accepted;
             ~ A<: seen news next 2000000 acked 1000000",
        ),
        told("the handshake is complete").given(A.established()[..2].to_vec()).sends(
            &A.client("A"),
            "forward_to_member +1; member 0: packets_in +1; ~ A>: seen completed",
        ),
        established("text of the client").sends(&text(A.client("PA")), ahead(&A, 4)),
        established("text of the member").sends(&text(A.member("PA")), back(&A, 4)),
        established("a large packet").sends_gso(
            &A.client("PA").with(|tcp| tcp.payload(&[7; 3000])),
            500,
            ahead(&A, 3000),
        ),
        established("a stranger's packet to the client")
            .passes(B.member("A").input.frame(), "pass_not_vip +1"),
    ]);
}

#[test]
fn it_closes_as_any_other() {
    let done = |flags| A.established().into_iter().chain([A.client(flags).action()]);
    check([
        told("the client is done").given(A.established()).sends(
            &A.client("FA"),
            "forward_to_member +1; member 0: packets_in +1; ~ A>: seen news next +1 client_fin",
        ),
        told("the member as well").given(done("FA")).sends(
            &A.member("FA").with(|tcp| tcp.ack(1_000_001)),
            "forward_to_client +1; connection_closed +1; member 0: active -1 packets_out +1;
             ~ A>: member_fin; ~ A<: seen news next +1 acked +1",
        ),
        told("the member resets it").given(A.established()).sends(
            &A.member("R"),
            "forward_to_client +1; connection_closed +1; member 0: active -1 packets_out +1;
             ~ A>: member_rst; ~ A<: seen",
        ),
        told("its time is over")
            .world(World { timers: all(0), ..world(&[1, 1]) })
            .given(A.established())
            .given([silent()])
            .sweeps("connection_expired +1; reset_sent +2; member 0: active -1; ~ A>: expired")
            .and_sends(resets(&A, (2_000_000, 1_000_000), (1_000_000, 2_000_000))),
        told("it is forgotten")
            .world(World { timers: all(0), ..world(&[1, 1]) })
            .given(A.closed())
            .given([silent()])
            .sweeps("entry_reaped +1; - A>"),
        told("and so are the answers")
            .given(A.closed())
            .given([World { timers: all(0), newcomers: Vec::new(), ..world(&[1, 1]) }.install()])
            .given([silent(), Action::Sweep, aged(Age::Ancient, Age::Ancient, Age::Ancient)])
            .sweeps("entry_reaped +1; - A<"),
    ]);
}

#[test]
fn a_member_that_does_not_accept_is_replaced() {
    let moved = "forward_to_member +1; member 1: active +1 connections +1 packets_in +1;
        member 0: active -1 failed +1 failures +1; - A> + N>; - A<; + N<";
    let again = NEXT.client("S").output.id(0).frame();
    let lost = A.client("S").output.frame();
    let why = Icmpv4Type::DestinationUnreachable(Unreachable::Host);
    let unreachable = icmp_error(ROUTER, *A.client.ip(), &why, &lost, 28);
    check([
        told("refused").given(A.opening()).rewrites(
            A.member("RA").input.frame(),
            again.clone(),
            format!("{moved}; redispatched_refused +1"),
        ),
        told("unreachable").given(A.opening()).rewrites(
            unreachable,
            again,
            format!("{moved}; redispatched_refused +1"),
        ),
        told("silent")
            .given(A.opening())
            .given([waited()])
            .long_open()
            .sends(&NEXT.client("S"), format!("{moved}; redispatched_silent +1")),
        alone("there is no other").given(A.opening()).sends(
            &A.member("RA"),
            "forward_to_client +1; connection_closed +1;
             member 0: active -1 packets_out +1 failed +1 failures +1; ~ A>: member_rst; ~ A<: seen",
        ),
    ]);
}

#[test]
fn a_client_comes_again_on_the_same_port() {
    let reopened = "forward_to_member +1; connection_opened +1; connection_reopened +1";
    let other = format!(
        "{reopened}; member 1: active +1 connections +1 packets_in +1; - A> + N>; - A<; + N<"
    );
    let same = format!(
        "{reopened}; member 0: active +1 connections +1 packets_in +1; - A> + A>; - A< + A<"
    );
    let broken = [A.established()[..2].to_vec(), vec![A.member("FA").action()]].concat();
    let half = [A.established(), vec![A.member("FA").action()]].concat();
    let ask = Tcp::new(LISTENER, A.client, "A").seq(MEMBER_SEQ - 1).ack(CLIENT_SEQ).window(0).id(0);
    check([
        told("at another member").given(A.closed()).sends(&NEXT.client("S"), other),
        alone("at the same one").given(A.closed()).sends(&A.client("S"), same),
        alone("on one half of a connection").given(half).rewrites(
            A.client("S").input.frame(),
            ask.frame(),
            "forward_to_client +1; syn_challenged +1",
        ),
        alone("on one that was never whole").given(broken).sends(
            &A.client("S"),
            format!("{reopened}; connection_closed +1; member 0: connections +1 packets_in +1 stamp 1 => 3;
             - A> + A>; - A< + A<"),
        ),
    ]);
}

#[test]
fn a_full_table_keeps_no_half_connection() {
    let room = |max_flows| World { max_flows, ..world(&[1, 1]) };
    let syn = || B.client("S").input.frame();
    let given = |name, flows| case(name).world(room(flows)).conns(&[A, B]).given(A.opening());
    check([
        case("room for no connection").world(room(1)).passes(syn(), "refuse_table_full +1"),
        given("no room left", 2).passes(syn(), "refuse_table_full +1"),
        given("room for one direction only", 3).passes(syn(), "refuse_table_full +1"),
    ]);
}

/// Another listener of the same VIP, with the same members.
fn second() -> Action {
    let mut target = World { newcomers: Vec::new(), ..world(&[1, 1]) }.target();
    target.listener = Listener { port: 81, ..target.listener };
    Action::Install(POOL + 1, Box::new(target))
}

/// The client of [`A`] has a connection to the first member by the other listener.
fn elsewhere() -> Vec<Action> {
    let other = SocketAddrV4::new(*LISTENER.ip(), 81);
    let client = |flags| {
        let segment = Tcp::new(A.client, other, flags).numbered(CLIENT_SEQ, MEMBER_SEQ);
        Action::Frame(segment.frame())
    };
    vec![second(), client("S"), A.member("SA").action(), client("A")]
}

#[test]
fn a_port_that_the_client_uses_towards_the_member_is_not_to_be_had() {
    let closed = || [elsewhere(), vec![A.member("R").action()]].concat();
    let from = MEMBER.client("S").input.frame();
    check([
        told("the other member has the connection")
            .given(elsewhere())
            .sends(&NEXT.client("S"), opens(&NEXT)),
        alone("there is no other")
            .given(elsewhere())
            .passes(A.client("S").input.frame(), "refuse_client_port_taken +1"),
        alone("once that connection is closed").given(closed()).sends(
            &A.client("S"),
            "forward_to_member +1; connection_opened +1;
             member 0: active +1 connections +1 packets_in +1; + A>; - 10.0.0.101:25000>10.0.0.250:81;
             - 10.0.0.1:8080>10.0.0.101:25000 + A<",
        ),
        told("a member is no client of its own")
            .conns(&[MEMBER])
            .sends(&MEMBER.client("S"), opens(&MEMBER)),
        alone("so it has nobody").passes(from, "refuse_client_port_taken +1"),
    ]);
}

#[test]
fn errors_are_about_the_segment_that_was_sent() {
    let kind =
        Icmpv4Type::DestinationUnreachable(Unreachable::FragmentationNeeded { next_hop_mtu: 1280 });
    let client = A.client("PA").with(|tcp| tcp.payload(b"much"));
    let server = A.member("PA").with(|tcp| tcp.payload(b"much"));
    let error = |from, to, segment: &Tcp| icmp_error(from, to, &kind, &segment.frame(), 28);
    let (user, vip) = (*A.client.ip(), *LISTENER.ip());
    check([
        // The router tells the source, which is the client, and the way there is across the node.
        told("of the client's").given(A.established()).rewrites(
            error(ROUTER, user, &client.output),
            error(vip, user, &client.input),
            TO_CLIENT,
        ),
        told("of the member's").given(A.established()).rewrites(
            error(ROUTER, vip, &server.output),
            error(user, *member(0).ip(), &server.input),
            TO_MEMBER,
        ),
    ]);
}

#[test]
fn a_connection_keeps_the_mode_that_it_was_opened_with() {
    let nat = super::A;
    let change = |mode| World { mode, newcomers: Vec::new(), ..World::new(&[1, 1]) }.install();
    let before = |name: &str, conn: &Conn, mode| {
        let given = conn.established().into_iter().chain([change(mode)]);
        case(name)
            .world(World { mode: conn.mode, ..World::new(&[1, 1]) })
            .conns(&[*conn, B, super::B])
            .given(given)
    };
    check([
        before("nat to dnat, the client's", &nat, Mode::Dnat)
            .sends(&nat.client("A"), ahead(&nat, 0)),
        before("nat to dnat, the member's", &nat, Mode::Dnat)
            .sends(&nat.member("A"), back(&nat, 0)),
        before("nat to dnat, a new one", &nat, Mode::Dnat).sends(&B.client("S"), opens(&B)),
        before("dnat to nat, the client's", &A, Mode::Nat).sends(&A.client("A"), ahead(&A, 0)),
        before("dnat to nat, the member's", &A, Mode::Nat).sends(&A.member("A"), back(&A, 0)),
        before("dnat to nat, a new one", &A, Mode::Nat)
            .sends(&super::B.client("S"), opens(&super::B)),
        before("nat to dnat, one that comes again", &nat, Mode::Dnat)
            .conns(&[nat, NEXT])
            .given(nat.closed()[3..].to_vec())
            .sends(
                &NEXT.client("S"),
                "forward_to_member +1; connection_opened +1; connection_reopened +1;
                 member 1: active +1 connections +1 packets_in +1; - A> + N>; - A<; + N<",
            ),
    ]);
}
