//! Connections whose members answer past the node (`mode: dsr`): packets go on as they are.

use etherparse::Icmpv4Type;
use etherparse::icmpv4::DestUnreachableHeader as Unreachable;
use lb_common::state::{Mode, Timers};
use lb_tests::datapath::{
    Action, Age, CLIENT_SEQ, Conn, LISTENER, MEMBER_SEQ, Pair, Tcp, World, icmp_error,
};

use super::case::{Case, case, check};
use super::expiry::{FOREVER, aged, all};
use super::failover::waited;
use super::icmp::{ROUTER, TO_MEMBER};
use super::{ahead, opens};

const A: Conn = super::A.dsr();
const B: Conn = super::B.dsr();
/// The same client as [`A`] at the other member.
const NEXT: Conn = Conn { name: "N", member: 1, ..A };

fn world(weights: &[u32]) -> World {
    World { mode: Mode::Dsr, ..World::new(weights) }
}

fn told(name: impl Into<String>) -> Case {
    case(name).world(world(&[1, 1])).conns(&[A, B, NEXT])
}

/// The client has asked and heard.
fn established() -> Vec<Action> {
    vec![A.client("S").action(), A.client("A").action()]
}

fn open(name: impl Into<String>) -> Case {
    told(name).given(established())
}

/// Opening has but the client's entry.
fn begins(conn: &Conn) -> String {
    opens(conn).replace(&format!("; + {}<", conn.name), "")
}

/// What the RSTs of an expiry are: to the client and to the member, with what either expects and has sent.
fn resets(client: (u32, u32), member: (u32, u32)) -> [Tcp; 2] {
    let reset = |src, dst, (seq, ack)| Tcp::new(src, dst, "RA").seq(seq).ack(ack).window(0).id(0);
    [reset(LISTENER, A.client, client), reset(A.client, LISTENER, member)]
}

fn silent(opened: Age) -> Action {
    aged(Age::Ancient, Age::Ancient, opened)
}

#[test]
fn nothing_of_a_packet_changes() {
    let text = |flags| A.client(flags).with(|tcp| tcp.payload(b"text"));
    let (syn, data) = (A.client("S"), text("PA"));
    assert_eq!(syn.input.clone().hops(63).frame(), syn.output.frame(), "but for a hop");
    assert_eq!(data.input.frame(), data.output.frame());
    let accepted = "forward_to_member +1; member 0: packets_in +1; ~ A>: seen news acked 2000000";
    check([
        told("a SYN").sends(&A.client("S"), begins(&A)),
        told("a SYN with text").sends(
            &text("S"),
            "forward_to_member +1; connection_opened +1; + A> payload 4;
             member 0: active +1 connections +1 packets_in +1 bytes_in +4",
        ),
        told("the client has heard")
            .given(A.opening())
            .sends(&A.client("A"), format!("{accepted} accepted completed")),
        told("its first acknowledgement is lost").given(A.opening()).sends(
            &text("PA"),
            "forward_to_member +1; member 0: packets_in +1 bytes_in +4;
             ~ A>: seen news payload +4 next +4 acked 2000000 accepted completed",
        ),
        told("somebody who has not seen the SYN").given(A.opening()).sends(
            &A.client("A").with(|tcp| tcp.seq(CLIENT_SEQ + 70_000)),
            "forward_to_member +1; member 0: packets_in +1; ~ A>: seen news next +70000 acked 2000000",
        ),
        open("text").sends(&text("PA"), ahead(&A, 4)),
        open("a large packet").sends_gso(
            &A.client("PA").with(|tcp| tcp.payload(&[7; 3000])),
            500,
            ahead(&A, 3000),
        ),
        open("an acknowledgement").sends(
            &A.client("A").with(|tcp| tcp.ack(MEMBER_SEQ + 9)),
            "forward_to_member +1; member 0: packets_in +1; ~ A>: seen news acked +9",
        ),
        open("with IP options").sends(
            &text("PA").with(|tcp| tcp.ip_options(&[1; 8])),
            ahead(&A, 4),
        ),
    ]);
}

#[test]
fn answers_are_nobodys() {
    let answer = |flags| Tcp::new(LISTENER, A.client, flags).numbered(MEMBER_SEQ, CLIENT_SEQ);
    check([
        told("the member accepts across the node")
            .given(A.opening())
            .passes(answer("SA").frame(), "pass_not_vip +1"),
        open("the member has text")
            .passes(answer("PA").payload(b"text").frame(), "pass_not_vip +1"),
        // As does the RST of an expiry.
        open("a RST goes on to the client").rewrites(
            answer("RA").frame(),
            answer("RA").frame(),
            "forward_to_client +1",
        ),
        told("nobody's RST").passes(answer("RA").frame(), "pass_not_vip +1"),
        open("as behind a translation").passes(A.member("PA").input.frame(), "pass_not_vip +1"),
    ]);
}

#[test]
fn the_client_alone_ends_it() {
    let fin = "forward_to_member +1; connection_closed +1; member 0: active -1 packets_in +1;
        ~ A>: seen news next +1";
    let reset = "forward_to_member +1; connection_closed +1; member 0: active -1 packets_in +1;
        ~ A>: seen client_rst";
    let ignored = "forward_to_member +1; reset_ignored +1; member 0: packets_in +1; ~ A>: seen";
    let ended = |name: &str| open(name).given([A.client("FA").action()]);
    let last = |flags| A.client(flags).with(|tcp| tcp.seq(CLIENT_SEQ + 1));
    check([
        open("FIN").sends(&A.client("FA"), format!("{fin} client_fin one_sided")),
        told("FIN with the first acknowledgement").given(A.opening()).sends(
            &A.client("FA"),
            format!("{fin} acked 2000000 accepted completed client_fin one_sided"),
        ),
        open("a FIN before something that is missing").sends(
            &A.client("FA").with(|tcp| tcp.seq(CLIENT_SEQ.wrapping_sub(500))),
            "forward_to_member +1; member 0: packets_in +1; ~ A>: seen",
        ),
        ended("what follows still finds its way").sends(
            &last("A").with(|tcp| tcp.ack(MEMBER_SEQ + 5)),
            "forward_to_member +1; member 0: packets_in +1; ~ A>: seen news acked +5",
        ),
        ended("FIN once more").sends(&A.client("FA"), ahead(&A, 0)),
        ended("RST after FIN").sends(
            &last("R"),
            "forward_to_member +1; member 0: packets_in +1; ~ A>: seen client_rst",
        ),
        open("RST").sends(&A.client("R"), reset),
        told("RST before it has heard").given(A.opening()).sends(&A.client("R"), reset),
        open("a RST that is not the next")
            .sends(&A.client("R").with(|tcp| tcp.seq(CLIENT_SEQ + 1)), ignored),
        open("a RST of long ago")
            .sends(&A.client("R").with(|tcp| tcp.seq(CLIENT_SEQ.wrapping_sub(1))), ignored),
    ]);
}

#[test]
fn a_silent_member_is_replaced() {
    let moved = "forward_to_member +1; redispatched_silent +1;
        member 0: active -1 failed +1 failures +1;
        member 1: active +1 connections +1 packets_in +1; - A> + N>";
    check([
        told("asked again at once").given(A.opening()).sends(&A.client("S"), ahead(&A, 0)),
        told("asked again after long")
            .given(A.opening())
            .given([waited()])
            .long_open()
            .sends(&NEXT.client("S"), moved),
        told("there is no other")
            .world(world(&[1]))
            .given(A.opening())
            .given([waited()])
            .long_open()
            .sends(
                &A.client("S"),
                "forward_to_member +1; member 0: packets_in +1 failed +1 failures +1; ~ A>: seen",
            ),
        open("nobody who has accepted").given([waited()]).long_open().sends(
            &A.client("S"),
            "forward_to_member +1; member 0: packets_in +1; ~ A>: seen stamp 1000000",
        ),
    ]);
}

/// Numbers of a connection that the client begins anew.
const ANEW: u32 = CLIENT_SEQ + 5_000_000;

#[test]
fn a_client_that_was_reset_unseen_comes_again() {
    let syn = |conn: &Conn| conn.client("S").with(|tcp| tcp.seq(ANEW));
    let first = |flags| A.client(flags).with(|tcp| tcp.seq(ANEW + 1).ack(MEMBER_SEQ + 9_000));
    let announced = |name: &str| open(name).given([syn(&A).action()]);
    let reopened = "forward_to_member +1; connection_opened +1; connection_reopened +1;
        member 1: active +1 connections +1 packets_in +1";
    let ended = [established(), vec![A.client("FA").action()]].concat();
    check([
        told("after FIN").given(ended).sends(
            &NEXT.client("S"),
            format!("{reopened}; - A> + N>"),
        ),
        open("on what seems to be open").sends(
            &syn(&A),
            format!("forward_to_member +1; member 0: packets_in +1; ~ A>: seen stamp {}", ANEW + 1),
        ),
        announced("the new one is").sends(
            &first("A"),
            "forward_to_member +1; member 0: packets_in +1;
             ~ A>: seen news next +5000001 acked +9000 stamp 0",
        ),
        announced("the old one goes on").sends(
            &A.client("PA").with(|tcp| tcp.payload(b"x")),
            "forward_to_member +1; member 0: packets_in +1 bytes_in +1; ~ A>: seen news payload +1 next +1",
        ),
        announced("the new one ends").given([first("A").action()]).sends(
            &first("FA"),
            "forward_to_member +1; connection_closed +1; member 0: active -1 packets_in +1;
             ~ A>: seen news next +1 client_fin one_sided",
        ),
    ]);
}

#[test]
fn its_time_is_over() {
    let timers = |set: fn(&mut Timers) -> &mut u64| {
        let mut timers = all(FOREVER);
        *set(&mut timers) = 0;
        World { timers, ..world(&[1, 1]) }
    };
    let over = "connection_expired +1; reset_sent +2; member 0: active -1; ~ A>: expired";
    let open = |name: &str, set| open(name).world(timers(set)).given([silent(Age::Future)]);
    let ended = || [established(), vec![A.client("FA").action()]].concat();
    let told_once = |name: &str, client, member| {
        let [to_client, to_member] = resets(client, member);
        let [to_client, to_member] = [to_client, to_member].map(|reset| reset.frame());
        let expired = || {
            told(name)
                .world(timers(|timers| &mut timers.client))
                .given(established())
                .given([silent(Age::Future), Action::Sweep])
        };
        [
            expired().rewrites(to_client.clone(), to_client, "forward_to_client +1"),
            expired().rewrites(
                to_member.clone(),
                to_member,
                "forward_to_member +1; member 0: packets_in +1; ~ A>: seen client_rst",
            ),
        ]
    };
    let [first, second] =
        told_once("either is told", (2_000_000, 1_000_000), (1_000_000, 2_000_000));
    check([
        told("nobody has answered")
            .world(timers(|timers| &mut timers.opening))
            .given(A.opening())
            .given([silent(Age::Ancient)])
            .sweeps(over)
            .and_sends(resets((0, 1_000_000), (1_000_000, 0))),
        open("the client's time", |timers| &mut timers.client)
            .sweeps(over)
            .and_sends(resets((2_000_000, 1_000_000), (1_000_000, 2_000_000))),
        open("the member's time", |timers| &mut timers.server)
            .sweeps(format!("{over} server_idle"))
            .and_sends(resets((2_000_000, 1_000_000), (1_000_000, 2_000_000))),
        open("other times", |timers| &mut timers.closing).sweeps(""),
        told("what has ended is forgotten")
            .world(timers(|timers| &mut timers.closed))
            .given(ended())
            .given([silent(Age::Future)])
            .sweeps("entry_reaped +1; - A>"),
        first,
        second,
    ]);
}

#[test]
fn an_entry_is_all_it_takes() {
    let room =
        |name, max_flows| case(name).world(World { max_flows, ..world(&[1, 1]) }).conns(&[A, B]);
    check([
        room("room for one", 1).sends(&A.client("S"), begins(&A)),
        room("room for no other", 1)
            .given(established())
            .passes(B.client("S").input.frame(), "refuse_table_full +1"),
        room("the half-open one gives way", 2).given(A.opening()).sends(
            &B.client("S"),
            "forward_to_member +1; connection_opened +1; half_open_crowded_out +1;
             member 0: active -1; member 1: active +1 connections +1 packets_in +1; - A>; + B>",
        ),
    ]);
}

#[test]
fn errors_about_answers_go_to_the_member() {
    let kind =
        Icmpv4Type::DestinationUnreachable(Unreachable::FragmentationNeeded { next_hop_mtu: 1280 });
    let about = |seq: u32| {
        let answer = Tcp::new(LISTENER, A.client, "PA").numbered(MEMBER_SEQ, CLIENT_SEQ);
        let answer = answer.seq(seq).payload(b"much").frame();
        icmp_error(ROUTER, *LISTENER.ip(), &kind, &answer, 28)
    };
    let ahead = about(MEMBER_SEQ + 1_000_000);
    check([
        open("of the first byte").rewrites(about(MEMBER_SEQ), about(MEMBER_SEQ), TO_MEMBER),
        open("of one far ahead").rewrites(ahead.clone(), ahead, TO_MEMBER),
        open("of one that the client has").passes(about(MEMBER_SEQ - 500), "pass_icmp_stale +1"),
        open("of a number that cannot be")
            .passes(about(MEMBER_SEQ + (1 << 25)), "pass_icmp_stale +1"),
        told("before the client has heard")
            .given(A.opening())
            .passes(about(MEMBER_SEQ), "pass_icmp_stale +1"),
        open("beyond what it is told")
            .given([Action::Spend(Age::Future)])
            .drops(about(MEMBER_SEQ), "drop_icmp_rate +1"),
        told("of nobody's").passes(about(MEMBER_SEQ), "pass_icmp_unknown +1"),
    ]);
}

#[test]
fn a_connection_keeps_the_mode_that_it_was_opened_with() {
    let nat = super::A;
    let change = |mode| World { mode, newcomers: Vec::new(), ..World::new(&[1, 1]) }.install();
    let direct = |name: &str, mode| open(name).given([change(mode)]).conns(&[A, super::B]);
    let before = |name: &str| {
        case(name).conns(&[nat, B, NEXT]).given(nat.established()).given([change(Mode::Dsr)])
    };
    let moved = |before: &str, after: &str| {
        format!(
            "forward_to_member +1; redispatched_silent +1; member 0: active -1 failed +1 failures +1;
             member 1: active +1 connections +1 packets_in +1; {before}; {after}"
        )
    };
    let asked = |name: &str, conn: &Conn, mode| {
        let world = World { mode: conn.mode, ..World::new(&[1, 1]) };
        case(name).world(world).given(conn.opening()).given([waited(), change(mode)]).long_open()
    };
    let to_nat = Conn { name: "N", member: 1, ..nat };
    let pair = |conn: &Conn| -> Pair { conn.client("S") };
    check([
        direct("dsr to nat, the client's", Mode::Nat).sends(&A.client("A"), ahead(&A, 0)),
        direct("dsr to nat, a new one", Mode::Nat).sends(&super::B.client("S"), opens(&super::B)),
        before("nat to dsr, the client's").sends(&nat.client("A"), ahead(&nat, 0)),
        before("nat to dsr, the member's").sends(&nat.member("A"), super::back(&nat, 0)),
        before("nat to dsr, a new one").sends(&B.client("S"), begins(&B)),
        asked("one that nobody answers, nat to dsr", &nat, Mode::Dsr)
            .conns(&[nat, NEXT])
            .sends(&pair(&NEXT), moved("- A> + N>", "- A<")),
        asked("one that nobody answers, dsr to nat", &A, Mode::Nat)
            .conns(&[A, to_nat])
            .sends(&pair(&to_nat), moved("- A> + N>", "+ N<")),
    ]);
}
