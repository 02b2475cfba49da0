//! SYNs where there is a connection already: somebody begins anew, has forgotten, or is somebody else.

use lb_tests::datapath::{Action, Age, Conn, Pair, Stamping};

use super::case::{Case, Said, case, check};
use super::{A, ahead, back, question};

/// The same client as [`A`] at the next member.
const NEXT: Conn = Conn { name: "N", member: 1, ..A };

/// Further than any number of a connection may jump.
const FAR: u32 = 1 << 25;

fn established(name: &str) -> Case {
    case(name).conns(&[A]).given(A.established())
}

fn is_asked(case: Case, syn: &Pair) -> Said {
    let asked = "forward_to_client +1; syn_challenged +1";
    case.rewrites(syn.input.frame(), question(1_000_000), asked)
}

#[test]
fn a_client_whose_connection_is_open_is_asked_what_its_syn_means() {
    let syn = || A.client("S");
    let client_done = |name| established(name).given([A.client("FA").action()]);
    let member_done = |name| established(name).given([A.member("FA").action()]);
    let data = A.client("S").with(|tcp| tcp.payload(b"GET / HTTP/1.1"));
    let options = A.client("S").with(|tcp| tcp.tcp_options(&[2, 4, 5, 180]));
    let acked = case("data was acknowledged").conns(&[A]).given(A.established()).given([
        A.client("PA").with(|tcp| tcp.payload(b"hello")).action(),
        A.member("A").with(|tcp| tcp.ack(1_000_005)).action(),
    ]);
    check([
        is_asked(established("the connection's own, late"), &syn()),
        is_asked(established("with any number"), &syn().with(|tcp| tcp.seq(77))),
        is_asked(established("with data"), &data),
        is_asked(established("with options"), &options),
        is_asked(client_done("the client has closed, the member may still be sending"), &syn()),
        is_asked(member_done("the member has closed"), &syn()),
        acked.rewrites(
            syn().input.frame(),
            question(1_000_005),
            "forward_to_client +1; syn_challenged +1",
        ),
        established("the client has forgotten").sends(
            &A.client("R"),
            "connection_closed +1; forward_to_member +1; member 0: active -1 packets_in +1;
             ~ A>: seen client_rst",
        ),
        established("it has not").sends(&A.client("A"), ahead(&A, 0)),
    ]);
}

#[test]
fn a_client_may_begin_anew_until_the_handshake_is_complete() {
    let again = || A.client("S").with(|tcp| tcp.seq(999_999 + FAR));
    let begun =
        |name| case(name).conns(&[A]).given(A.opening()).given([Action::Settle, again().action()]);
    let accepted = || A.member("SA").with(|tcp| tcp.ack(1_000_000 + FAR));
    check([
        case("its second SYN")
            .conns(&[A])
            .given(A.opening())
            .sends(&again(), format!("{} next +{FAR}", ahead(&A, 0))),
        begun("the answer to it").sends(
            &accepted(),
            "forward_to_client +1; member 0: packets_out +1; ~ A>: acked 2000000 accepted;
             ~ A<: seen next 2000000 acked 34554432",
        ),
        begun("a late answer to the first is none")
            .sends(&A.member("SA"), format!("{} news next 2000000 acked 1000000", back(&A, 0))),
        begun("the end of the handshake").given([accepted().action()]).sends(
            &A.client("A").with(|tcp| tcp.seq(1_000_000 + FAR)),
            format!("{} completed", ahead(&A, 0)),
        ),
    ]);
}

/// SYN cookies and the like: every SYN-ACK has other numbers.
#[test]
fn a_member_may_accept_with_other_numbers() {
    let first = 2_000_000 + FAR;
    let other = || A.member("SA").with(|tcp| tcp.seq(first - 1));
    let twice = |name| {
        let opening = A.opening().into_iter();
        case(name)
            .conns(&[A])
            .given(opening)
            .given([A.member("SA").action(), A.client("S").action()])
    };
    check([
        twice("the second SYN-ACK").sends(
            &other(),
            format!(
                "forward_to_client +1; member 0: packets_out +1; ~ A>: acked +{FAR};
                 ~ A<: seen next +{FAR}"
            ),
        ),
        twice("the client takes the second").given([other().action()]).sends(
            &A.client("A").with(|tcp| tcp.ack(first)),
            format!("{} completed", ahead(&A, 0)),
        ),
    ]);
}

/// Linux sends the data of a SYN (RFC 7413) once only; and a client that has given up may come again.
#[test]
fn whoever_asks_once_more_leaves_a_silent_member() {
    let waited = || {
        let (client, member, opened) = (Age::Future, Age::Future, Age::Ancient);
        Action::Stamp(Stamping::Each { client, member, opened })
    };
    let silent = |name, first: Pair| {
        case(name).conns(&[A, NEXT]).given([first.action(), waited()]).keeping_ages()
    };
    let moved = "forward_to_member +1; redispatched_silent +1;
        member 0: active -1 failed +1 failures +1;
        member 1: active +1 connections +1 packets_in +1; - A> + N>; - A<; + N<";
    let data = A.client("S").with(|tcp| tcp.payload(b"GET /"));
    let other = A.client("S").with(|tcp| tcp.seq(999_999 + FAR));
    check([
        silent("without the data of its first SYN", data).sends(&NEXT.client("S"), moved),
        silent("with another number", other).sends(&NEXT.client("S"), moved),
    ]);
}

/// Nobody who does not know the numbers of a connection moves it.
#[test]
fn what_fits_one_number_only_is_somebody_elses() {
    let near = 1 << 23;
    let stray =
        |flags, seq: u32, ack: u32| A.client(flags).with(|tcp| tcp.seq(1_000_000 + seq).ack(ack));
    let forged = stray("PA", near, 1 << 30).with(|tcp| tcp.payload(b"x"));
    let counted =
        "forward_to_member +1; member 0: packets_in +1 bytes_in +1; ~ A>: seen payload +1";
    let ignored = |direction: &str| format!("reset_ignored +1; {direction}");
    let after = |name| established(name).given([forged.action()]);
    check([
        established("data").sends(&forged, counted),
        established("an acknowledgement").sends(&stray("A", FAR, 2_000_000 + near), ahead(&A, 0)),
        established("a FIN").sends(&stray("FA", near, 1 << 30), ahead(&A, 0)),
        after("the client's FIN is still its last").sends(
            &A.client("FA"),
            "forward_to_member +1; member 0: packets_in +1; ~ A>: seen news next +1 client_fin",
        ),
        after("a RST between").sends(&stray("R", near / 2, 0), ignored(&ahead(&A, 0))),
        established("a RST before what was acknowledged, by less than was sent")
            .given([A.client("A").with(|tcp| tcp.ack(2_000_000 + near)).action()])
            .sends(&A.member("R").with(|tcp| tcp.seq(1 << 31)), ignored(&back(&A, 0))),
    ]);
}
