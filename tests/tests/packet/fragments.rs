//! Datagrams that come in fragments.

use std::net::SocketAddrV4;

use lb_tests::datapath::{Action, Age, Conn, LISTENER, MEMBER_SEQ, Pair, Stamping, cut};

use super::case::{Case, Said, case, check};
use super::{A, B, ahead, back};

/// Bytes of payload, and where a segment with them is cut: the TCP header takes twenty.
const PAYLOAD: usize = 100;
pub(super) const PLACES: [usize; 2] = [40, 80];
/// Bytes of payload in each fragment.
pub(super) const PARTS: [usize; 3] = [20, 40, 40];

/// The identification that datagrams come with in these cases.
pub(super) const ID: u16 = 7;

pub(super) fn long(pair: Pair) -> Pair {
    let payload: Vec<u8> = (0..PAYLOAD as u8).collect();
    pair.with(|tcp| tcp.payload(&payload))
}

/// The fragments of a segment as they come in and as they go out, with this identification.
pub(super) fn parts(pair: &Pair, id: u16) -> Vec<[Vec<u8>; 2]> {
    let inputs = cut(&pair.input.clone().id(ID).frame(), &PLACES);
    let outputs = cut(&pair.output.clone().id(id).frame(), &PLACES);
    inputs.into_iter().zip(outputs).map(|(input, output)| [input, output]).collect()
}

pub(super) fn established(name: impl Into<String>) -> Case {
    case(name).conns(&[A]).given(A.established())
}

fn both(name: impl Into<String>) -> Case {
    let given = A.established().into_iter().chain(B.established());
    case(name).conns(&[A, B]).given(given)
}

pub(super) fn frame([input, _]: &[Vec<u8>; 2]) -> Action {
    Action::Frame(input.clone())
}

/// The first fragment changes this besides what any segment does.
pub(super) fn tracked(arrow: &str, id: u16) -> String {
    format!("; datagram_fragmented +1; fragments of {arrow}: {ID} as {id}")
}

/// A later fragment of the client's changes this.
pub(super) fn more_ahead(conn: &Conn, payload: usize) -> String {
    let Conn { name, member, .. } = conn;
    format!(
        "forward_to_member +1; member {member}: packets_in +1 bytes_in +{payload};
         ~ {name}>: payload +{payload}"
    )
}

/// And this one of the member's.
fn more_back(conn: &Conn, payload: usize) -> String {
    let Conn { name, member, .. } = conn;
    format!(
        "forward_to_client +1; member {member}: packets_out +1 bytes_out +{payload};
         ~ {name}<: payload +{payload}"
    )
}

fn rewrites(case: Case, [input, output]: &[Vec<u8>; 2], delta: impl Into<String>) -> Said {
    case.rewrites(input.clone(), output.clone(), delta)
}

#[test]
fn every_fragment_follows_the_first() {
    let ways = [
        ("to the member", long(A.client("PA")), ahead(&A, PARTS[0]), "A>", true),
        ("to the client", long(A.member("PA")), back(&A, PARTS[0]), "A<", false),
    ];
    check(ways.into_iter().flat_map(|(way, pair, first, arrow, ahead)| {
        let parts = parts(&pair, 1);
        let more = |payload| if ahead { more_ahead(&A, payload) } else { more_back(&A, payload) };
        let named = |which: &str| established(format!("{which}, {way}"));
        let [one, two, three] = [&parts[0], &parts[1], &parts[2]];
        [
            rewrites(named("the first"), one, first + &tracked(arrow, 1)),
            rewrites(named("the second").given([frame(one)]), two, more(PARTS[1])),
            rewrites(named("the last").given([frame(one), frame(two)]), three, more(PARTS[2])),
            rewrites(
                named("the last before the second").given([frame(one)]),
                three,
                more(PARTS[2]),
            ),
            rewrites(
                named("the second after the last").given([frame(one), frame(three)]),
                two,
                more(PARTS[1]),
            ),
            rewrites(
                named("the second once more").given([frame(one), frame(two)]),
                two,
                more(PARTS[1]),
            ),
        ]
    }));
}

#[test]
fn one_that_opens_a_connection() {
    let parts = parts(&long(A.client("S")), 1);
    let opening = |name: &str| case(name).conns(&[A]);
    let [one, two] = [&parts[0], &parts[1]];
    let opened = "forward_to_member +1; connection_opened +1;
         member 0: active +1 connections +1 packets_in +1 bytes_in +20; + A> payload 20; + A<";
    check([
        rewrites(opening("the first"), one, opened.to_owned() + &tracked("A>", 1)),
        // Only the first holds a SYN that loses a hop.
        opening("the second").given([frame(one)]).rewrites(
            two[0].clone(),
            cut(&long(A.client("S")).output.id(1).hops(64).frame(), &PLACES)[1].clone(),
            more_ahead(&A, PARTS[1]),
        ),
    ]);
}

#[test]
fn fragments_of_nothing_that_is_known_are_the_stacks() {
    let parts = parts(&long(A.client("PA")), 1);
    let other = cut(&long(A.client("PA")).input.id(ID + 1).frame(), &PLACES);
    let elsewhere = SocketAddrV4::new(*B.client.ip(), A.client.port());
    let stranger =
        cut(&long(A.client("PA")).input.readdressed(elsewhere, LISTENER).frame(), &PLACES);
    let back = cut(&long(A.member("PA")).input.frame(), &PLACES);
    let ancient = Stamping::Each { client: Age::Ancient, member: Age::Future, opened: Age::Future };
    let [one, two] = [&parts[0], &parts[1]];
    let first = |name: &str| established(name).given([frame(one)]);
    let passes = |case: Case, frame: &[u8]| case.passes(frame.to_vec(), "pass_fragment +1");
    check([
        passes(case("nothing is known"), &two[0]),
        passes(established("it comes before the first"), &two[0]),
        passes(first("of another datagram"), &other[1]),
        passes(first("of another client"), &stranger[1]),
        passes(first("of the other direction"), &back[1]),
        passes(
            first("of one that nobody waits for any more")
                .given([Action::Stamp(ancient)])
                .keeping_ages(),
            &two[0],
        ),
    ]);
}

/// Its connection has gone in the meantime.
#[test]
fn fragments_of_a_connection_that_is_over() {
    let parts = parts(&long(A.client("PA")), 1);
    let ancient = || {
        let (client, member, opened) = (Age::Ancient, Age::Ancient, Age::Ancient);
        Action::Stamp(Stamping::Each { client, member, opened })
    };
    let future = Action::Stamp(Stamping::FUTURE);
    let over = established("reset, and forgotten")
        .given([frame(&parts[0]), A.client("R").with(|tcp| tcp.seq(1_000_020)).action()])
        .given([ancient(), Action::Sweep, future]);
    check([over.passes(parts[1][0].clone(), "pass_fragment +1")]);
}

#[test]
fn an_identification_that_comes_again_is_another_datagrams() {
    let pair = long(A.client("PA"));
    let [first, second] = [parts(&pair, 1), parts(&pair, 2)];
    let again = pair.clone().with(|tcp| tcp.seq(1_000_020));
    let third = parts(&again, 2);
    check([
        rewrites(
            established("the first of it").given([frame(&first[0])]),
            &third[0],
            ahead(&A, PARTS[0]) + "; datagram_fragmented +1; fragments of A>: 7 as 2",
        ),
        rewrites(
            established("the others").given([frame(&first[0]), frame(&third[0])]),
            &second[1],
            more_ahead(&A, PARTS[1]),
        ),
    ]);
}

/// RFC 6864: to a member all clients have the address of the VIP.
#[test]
fn two_clients_have_two_identifications() {
    // Members have one each: the hash of their addresses decides whether they share a count.
    let to_one = |conn: &Conn| long(conn.client("PA"));
    let [a, b] = [&A, &B].map(|conn| parts(&to_one(conn), 1));
    let same = Conn { nat: 26_000, ..Conn::new("C", 103, 26_000, 26_000, 0) };
    let mut third = same.established();
    third.truncate(3);
    let other = parts(&long(same.client("PA")), 2);
    let all = |name: &str| {
        let given = A.established().into_iter().chain(B.established()).chain(third.clone());
        case(name).conns(&[A, B, same]).given(given)
    };
    check([
        rewrites(
            all("at the same member").given([frame(&a[0])]),
            &other[0],
            ahead(&same, PARTS[0]) + &tracked("C>", 2),
        ),
        rewrites(
            all("the first client's other fragments").given([frame(&a[0]), frame(&other[0])]),
            &a[1],
            more_ahead(&A, PARTS[1]),
        ),
        rewrites(
            all("the second client's").given([frame(&a[0]), frame(&other[0])]),
            &other[1],
            more_ahead(&same, PARTS[1]),
        ),
        rewrites(
            all("at another member").given([frame(&a[0])]),
            &b[0],
            ahead(&B, PARTS[0]) + &tracked("B>", 1),
        ),
    ]);
}

/// The same identification, but the ports are nobody's here.
#[test]
fn a_datagram_for_the_stack_takes_its_identification_back() {
    let parts = parts(&long(A.client("PA")), 1);
    let vip = SocketAddrV4::new(*LISTENER.ip(), 81);
    let theirs = long(A.client("PA")).input.readdressed(A.client, vip).id(ID).frame();
    let theirs = cut(&theirs, &PLACES);
    let hopless = long(A.client("S")).input.readdressed(A.client, vip).hops(0).frame();
    let hopless = cut(&hopless, &PLACES).remove(0);
    let first = |name: &str| established(name).given([frame(&parts[0])]);
    check([
        first("the first").passes(theirs[0].clone(), "pass_not_vip +1; fragments of A>: 7 gone"),
        first("the others")
            .arranged([Action::Frame(theirs[0].clone())])
            .passes(theirs[1].clone(), "pass_fragment +1"),
        case("a first one, of nothing").passes(theirs[0].clone(), "pass_not_vip +1"),
        case("a first one, a SYN without a hop").passes(hopless, "pass_not_vip +1"),
        case("a first one, to a listener").passes(parts[0][0].clone(), "pass_no_connection +1"),
    ]);
}

/// Its client has come again, and goes to the next member.
#[test]
fn a_member_that_was_left_behind() {
    let next = Conn { name: "N", member: 1, ..A };
    let left = |name: &str| {
        let ending = [A.client("FA").action(), A.member("FA").action(), next.client("S").action()];
        case(name).conns(&[A, next]).given(A.established()).given(ending)
    };
    let parts = parts(&long(A.member("PA")), 1);
    let tiny = cut(&long(A.member("PA")).input.frame(), &[8])[0].clone();
    check([
        left("a whole datagram").passes(A.member("PA").input.frame(), "pass_not_vip +1"),
        left("the first fragment").passes(parts[0][0].clone(), "pass_not_vip +1"),
        left("half its header").passes(tiny, "pass_not_vip +1"),
        case("one that came in the meantime")
            .conns(&[A, next])
            .given(A.established())
            .given([
                frame(&parts[0]),
                A.client("FA").action(),
                A.member("FA").with(|tcp| tcp.seq(MEMBER_SEQ + PARTS[0] as u32)).action(),
                next.client("S").action(),
            ])
            .passes(parts[1][0].clone(), "pass_fragment +1"),
    ]);
}

#[test]
fn connections_do_not_mix() {
    let [a, b] = [&A, &B].map(|conn| parts(&long(conn.client("PA")), 1));
    let first = |name: &str| both(name).given([frame(&a[0]), frame(&b[0])]);
    check([
        rewrites(first("the first client's"), &a[1], more_ahead(&A, PARTS[1])),
        rewrites(first("the second client's"), &b[1], more_ahead(&B, PARTS[1])),
    ]);
}
