//! UDP flows.

use lb_common::addr::Addr;
use lb_common::state::{DrainCause, Method, Overflow, Persistence};
use lb_tests::datapath::{Action, Age, Conn, LISTENER, Stamping, Tcp, World};

use super::case::{Said, case, check};
use super::{ahead, back};

/// The first flow; the first member takes it.
pub(super) const A: Conn = Conn::udp("A", 101, 25_000, 25_000, 0);
/// The second one.
const B: Conn = Conn::udp("B", 102, 26_000, 26_000, 1);
/// The first flow at the second member.
pub(super) const MOVED: Conn = Conn { name: "M", member: 1, ..A };

/// What a flow changes that opens with so many bytes.
fn opens(conn: &Conn, bytes: usize) -> String {
    format!("connection_opened +1; {}", comes(conn, "active +1 connections +1", bytes))
}

/// What the first datagram at a member changes, the member's counts aside.
pub(super) fn comes(conn: &Conn, counts: &str, bytes: usize) -> String {
    let Conn { name, member, .. } = conn;
    let (bytes_in, payload) = match bytes {
        0 => (String::new(), String::new()),
        some => (format!(" bytes_in +{some}"), format!(" payload {some}")),
    };
    format!(
        "forward_to_member +1; member {member}: {counts} packets_in +1{bytes_in};
         + {name}>{payload}; + {name}<"
    )
}

/// What a datagram changes that is just forwarded.
fn passes(delta: &str, name: &str, bytes: usize) -> String {
    // Datagrams have no numbers, and all of them are news.
    let grown = if bytes == 0 { String::new() } else { format!(" payload +{bytes}") };
    let (head, _) = delta.split_once(&format!("~ {name}")).unwrap();
    format!("{head}~ {name}: seen news{grown}")
}

/// What a client's datagram changes that is just forwarded.
pub(super) fn asks(conn: &Conn, bytes: usize) -> String {
    passes(&ahead(conn, bytes), &format!("{}>", conn.name), bytes)
}

/// What a member's datagram changes that is just forwarded.
fn answers(conn: &Conn, bytes: usize) -> String {
    passes(&back(conn, bytes), &format!("{}<", conn.name), bytes)
}

pub(super) fn asked(conn: &Conn) -> Vec<Action> {
    vec![conn.asks(b"query").action()]
}

pub(super) fn answered(conn: &Conn) -> Vec<Action> {
    vec![conn.asks(b"query").action(), conn.answers(b"answer").action()]
}

/// A change that brings no new members.
pub(super) fn changed(members: &[(u32, u32)]) -> Action {
    let world = World::udp(&[]);
    World { members: members.to_vec(), newcomers: Vec::new(), ..world }.install()
}

pub(super) fn frames(pair: &lb_tests::datapath::UdpPair) -> [Vec<u8>; 2] {
    [pair.input.frame(), pair.output.frame()]
}

#[test]
fn a_life() {
    let world = || World::udp(&[1, 1]);
    let told = |name: &str, given: Vec<Action>, [input, output]: [Vec<u8>; 2], delta: String| {
        case(name).world(world()).conns(&[A, B]).given(given).rewrites(input, output, delta)
    };
    let first = format!("{} accepted; ~ A>: accepted completed", answers(&A, 6));
    check([
        told("the first datagram", vec![], frames(&A.asks(b"query")), opens(&A, 5)),
        told("an empty one", vec![], frames(&A.asks(b"")), opens(&A, 0)),
        told("another client's", asked(&A), frames(&B.asks(b"query")), opens(&B, 5)),
        told("another one before the answer", asked(&A), frames(&A.asks(b"more")), asks(&A, 4)),
        told("the first answer", asked(&A), frames(&A.answers(b"answer")), first),
        told("the next answer", answered(&A), frames(&A.answers(b"")), answers(&A, 0)),
        told("the next question", answered(&A), frames(&A.asks(b"next")), asks(&A, 4)),
    ]);
}

#[test]
fn who_is_no_flow_of_the_listeners() {
    let tcp = Tcp::new(A.client, LISTENER, "S").frame();
    let of = |name: &str, world: World, frame: Vec<u8>| {
        case(name).world(world).passes(frame, "pass_not_vip +1")
    };
    check([
        of("TCP to a listener of UDP", World::udp(&[1]), tcp),
        of("UDP to a listener of TCP", World::new(&[1]), A.asks(b"query").input.frame()),
        of("a member nobody asked", World::udp(&[1]), A.answers(b"answer").input.frame()),
        case("TCP from the ends of a flow")
            .world(World::udp(&[1, 1]))
            .given(asked(&A))
            .passes(Tcp::new(A.client, LISTENER, "A").frame(), "pass_not_vip +1"),
    ]);
}

#[test]
fn flows_of_a_member_that_is_gone_move_with_the_next_datagram() {
    let moves = |counts: &str| {
        format!(
            "udp_flow_moved +1; member 0: active -1; {}",
            comes(&MOVED, counts, 5).replace("+ M> ", "- A> + M> ") + "; - A<"
        )
    };
    let moves = moves("active +1 connections +1");
    let [input, output] = frames(&MOVED.asks(b"query"));
    let away = |name: &str, given: Vec<Action>, members: &[(u32, u32)]| {
        case(name)
            .world(World::udp(&[1, 1]))
            .conns(&[A, MOVED])
            .given(given)
            .given([changed(members)])
            .rewrites(input.clone(), output.clone(), moves.clone())
    };
    let [first_in, first_out] = frames(&A.asks(b"query"));
    let stays = |name: &str, given: Vec<Action>, members: &[(u32, u32)], next: &str| {
        case(name)
            .world(World::udp(&[1, 1]))
            .conns(&[A])
            .given(given)
            .given([changed(members)])
            .rewrites(first_in.clone(), first_out.clone(), format!("{}{next}", asks(&A, 5)))
    };
    let seen = [changed(&[(0, 1), (1, 1)]), A.asks(b"query").action()];
    let [late_in, late_out] = frames(&A.answers(b"late"));
    check([
        away("answered", answered(&A), &[(1, 1)]),
        away("not answered", asked(&A), &[(1, 1)]),
        away("seen in a set between", [answered(&A), seen.to_vec()].concat(), &[(1, 1)]),
        stays("its member is there", answered(&A), &[(0, 1), (1, 1)], " next +1"),
        stays("its member is drained", answered(&A), &[(0, 0), (1, 1)], " next +1"),
        case("a member that is gone may still answer")
            .world(World::udp(&[1, 1]))
            .conns(&[A])
            .given(answered(&A))
            .given([changed(&[(1, 1)])])
            .rewrites(late_in, late_out, answers(&A, 4)),
        case("nobody is left")
            .world(World::udp(&[1, 1]))
            .conns(&[A])
            .given(answered(&A))
            .given([changed(&[])])
            .passes(A.asks(b"query").input.frame(), "refuse_no_member +1"),
        case("the pool is forgotten")
            .world(World::udp(&[1, 1]))
            .conns(&[A])
            .given(answered(&A))
            .given([Action::ForgetPool(0)])
            .rewrites(first_in.clone(), first_out.clone(), asks(&A, 5)),
    ]);
}

#[test]
fn a_flow_that_moved_is_answered_and_goes_on() {
    let moved = || {
        let [query, answer] = [MOVED.asks(b"query").action(), MOVED.answers(b"answer").action()];
        [answered(&A), vec![changed(&[(1, 1)]), query, answer]].concat()
    };
    let [input, output] = frames(&MOVED.asks(b"next"));
    let [old, _] = frames(&A.answers(b"old"));
    let told = |name: &str| case(name).world(World::udp(&[1, 1])).conns(&[MOVED, A]).given(moved());
    check([
        told("the next question").rewrites(input, output, asks(&MOVED, 4)),
        told("an answer of the member that is gone").passes(old, "pass_not_vip +1"),
        told("back to the old member").given([changed(&[(0, 1)])]).rewrites(
            A.asks(b"query").input.frame(),
            A.asks(b"query").output.frame(),
            "udp_flow_moved +1; forward_to_member +1; member 1: active -1;
                 member 0: active +1 connections +1 packets_in +1 bytes_in +5;
                 - M> + A> payload 5; - M<; + A<",
        ),
    ]);
}

#[test]
fn timers() {
    let aged =
        |client, member| Action::Stamp(Stamping::Each { client, member, opened: Age::Ancient });
    let told = |name: &str, given: Vec<Action>, delta: &str| {
        case(name).world(World::udp(&[1, 1])).conns(&[A]).given(given).sweeps(delta)
    };
    let idle = |given: Vec<Action>, client, member| [given, vec![aged(client, member)]].concat();
    let over = "connection_expired +1; member 0: active -1; ~ A>: expired";
    let (old, new) = (Age::Ancient, Age::Future);
    let ended = || [idle(asked(&A), old, old), vec![Action::Sweep]].concat();
    let second = Conn { name: "S", member: 1, ..A };
    let [input, output] = frames(&second.asks(b"query"));
    let again = format!("connection_reopened +1; {}", opens(&second, 5));
    check([
        told("unanswered and idle", idle(asked(&A), old, old), over),
        told("unanswered, but its client sends", idle(asked(&A), new, old), ""),
        told("answered and idle", idle(answered(&A), old, old), over),
        told("answered, and the client sends", idle(answered(&A), new, old), ""),
        told("answered, and the member sends", idle(answered(&A), old, new), ""),
    ]);
    let drains =
        |cause| [answered(&A), vec![aged(new, new), Action::Drain(0, Some((old, cause)))]].concat();
    let ends =
        |counter: &str, fact: &str| format!("{counter} +1; member 0: active -1; ~ A>: {fact}");
    // Nobody is told.
    check([
        told("drained", drains(DrainCause::Timeout), &ends("connection_drained", "drained")),
        told(
            "marked down",
            drains(DrainCause::MarkedDown),
            &ends("connection_marked_down", "marked_down"),
        ),
    ]);
    // What has ended opens anew, and nobody waits for it.
    check([case("a datagram after the end")
        .world(World::udp(&[1, 1]))
        .conns(&[A, second])
        .arranged(ended())
        .rewrites(input, output, again.replace("+ S> ", "- A> + S> ") + "; - A<")]);
}

#[test]
fn places_of_flows_without_an_answer() {
    let conn = |name, number: u8| {
        let port = 25_000 + u16::from(number);
        Conn::udp(name, 100 + number, port, port, u32::from(number % 2))
    };
    let (first, ninth) = (conn("A", 0), conn("I", 8));
    let world = || World { max_flows: 20, ..World::udp(&[1, 1]) };
    let eight = |name: &str, each: fn(&Conn) -> Vec<Action>| {
        let all = (0..8).flat_map(|number| each(&conn("", number)));
        case(name).world(world()).conns(&[first, ninth]).given(all)
    };
    let [input, output] = frames(&ninth.asks(b"query"));
    let crowds = "forward_to_member +1; connection_opened +1; half_open_crowded_out +1;
                  member 0: connections +1 packets_in +1 bytes_in +5 stamp 7 => 10;
                  - A>; - A<; + I> payload 5; + I<";
    check([
        eight("the oldest gives way", asked).rewrites(input.clone(), output.clone(), crowds),
        eight("answered ones stay", answered).rewrites(input, output, opens(&ninth, 5)),
    ]);
}

#[test]
fn who_is_served_and_by_whom() {
    let persistence = Persistence { timeout: 0, mask: Addr::mask(Addr::BITS), enabled: 1 };
    let sticky = || World { persistence, ..World::udp(&[1, 1]) };
    let next = Conn::udp("N", 101, 25_001, 25_001, 0);
    let [input, output] = frames(&next.asks(b"query"));
    let limited = |overflow| World { limit: Some(1), overflow, ..World::udp(&[1, 1]) };
    let allowed = World { allowed: Some(vec![([192, 0, 2, 0], 24)]), ..World::udp(&[1, 1]) };
    let query = || B.asks(b"query").input.frame();
    let methods =
        [Method::LeastConn, Method::SourceIp, Method::SourceIpPort, Method::LeastResponseTime];
    let mut cases: Vec<Said> = methods
        .into_iter()
        .map(|method| {
            let [input, output] = frames(&A.asks(b"query"));
            case(format!("{method:?}"))
                .world(World { method, ..World::udp(&[1]) })
                .conns(&[A])
                .rewrites(input, output, opens(&A, 5))
        })
        .collect();
    cases.extend([
        case("a client comes back from another port")
            .world(sticky())
            .conns(&[A, next])
            .given(asked(&A))
            .rewrites(
                input,
                output,
                format!("{}; connection_persisted +1; 10.0.0.101 again", opens(&next, 5)),
            ),
        case("a client that has lost its member is kept on the next one")
            .world(sticky())
            .conns(&[A, MOVED])
            .given(asked(&A))
            .given([World {
                persistence,
                members: vec![(1, 1)],
                newcomers: Vec::new(),
                ..World::udp(&[])
            }
            .install()])
            .rewrites(
                frames(&MOVED.asks(b"query"))[0].clone(),
                frames(&MOVED.asks(b"query"))[1].clone(),
                format!(
                    "udp_flow_moved +1; member 0: active -1; {}; - A<; 10.0.0.101 to 1/1",
                    comes(&MOVED, "active +1 connections +1", 5).replace("+ M> ", "- A> + M> ")
                ),
            ),
        case("one too many")
            .world(limited(Overflow::Drop))
            .given(asked(&A))
            .drops(query(), "drop_connection_limit +1"),
        case("one too many, told so")
            .world(limited(Overflow::Reset))
            .given(asked(&A))
            .passes(query(), "refuse_connection_limit +1"),
        case("not allowed").world(allowed).drops(query(), "drop_not_allowed +1"),
        case("disabled")
            .world(World { enabled: false, ..World::udp(&[1]) })
            .passes(query(), "refuse_disabled +1"),
    ]);
    check(cases);
}
