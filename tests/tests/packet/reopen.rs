//! A client port used again.

use lb_tests::datapath::{Action, Age, Conn, Stamping, World};

use super::case::{Case, case, check};
use super::{A, ahead};

/// The same client as [`A`] at the next member.
const NEXT: Conn = Conn { name: "N", member: 1, ..A };

fn ended(name: &str, ending: &[Action]) -> Case {
    case(name).conns(&[A, NEXT]).given(A.established()).given(ending.iter().cloned())
}

#[test]
fn a_syn_on_a_connection_that_has_ended_opens_a_new_one() {
    let fin = |end: &Conn| [end.client("FA").action(), end.member("FA").action()];
    let [client_fin, member_fin] = fin(&A);
    let replaced = "forward_to_member +1; connection_opened +1; connection_reopened +1;
        member 1: active +1 connections +1 packets_in +1; - A> + N>; + N<";
    // The member has forgotten the connection, or may not have: then it keeps its port.
    let quiet = format!("{replaced}; - A<");
    let waiting = |acked: &str, facts: &str| {
        format!("{replaced}; ~ A<:{acked} accepted completed {facts} superseded")
    };
    let syn = NEXT.client("S");
    check([
        case("closed by the client first")
            .conns(&[A, NEXT])
            .given(A.closed())
            .sends(&syn, quiet.clone()),
        ended("closed by both", &fin(&A))
            .sends(&syn, waiting(" acked +1", "client_fin member_fin crossed")),
        ended("closed by the member first", &[member_fin, client_fin])
            .sends(&syn, waiting(" acked +1", "client_fin member_fin member_first")),
        ended("reset by the client", &[A.client("R").action()]).sends(&syn, quiet.clone()),
        ended("reset by the member", &[A.member("R").action()]).sends(&syn, quiet),
        ended("a SYN with ACK is no new connection", &fin(&A)).sends(&A.client("SA"), ahead(&A, 0)),
    ]);
}

#[test]
fn the_same_member_and_port_serve_again() {
    let alone = World::new(&[1]);
    check([case("with one member").world(alone).conns(&[A]).given(A.closed()).sends(
        &A.client("S"),
        "forward_to_member +1; connection_opened +1; connection_reopened +1; port_reused +1;
         member 0: active +1 connections +1 packets_in +1; - A> + A>; - A< + A<",
    )]);
}

#[test]
fn the_old_connection_goes_even_if_the_new_one_is_refused() {
    let nobody = World { newcomers: Vec::new(), ..World::new(&[]) };
    let disabled = World { enabled: false, newcomers: Vec::new(), ..World::new(&[1, 1]) };
    let syn = || A.client("S").input.frame();
    check([
        ended("no members", &[A.client("R").action(), nobody.install()])
            .passes(syn(), "refuse_no_member +1; connection_reopened +1; - A>; - A<"),
        ended("disabled", &[A.client("R").action(), disabled.install()])
            .passes(syn(), "refuse_disabled +1; connection_reopened +1; - A>; - A<"),
    ]);
}

/// The client's entry has expired, the member's waits for the next sweep, and the client comes
/// again from the same port: late segments of the old member are not the new connection's.
#[test]
fn a_late_segment_of_a_former_member_does_not_touch_the_new_connection() {
    let late = Stamping::Each { client: Age::Ancient, member: Age::Ancient, opened: Age::Future };
    let cases =
        [("R", ""), ("FA", " news next +1"), ("SA", "")].into_iter().map(|(flags, news)| {
            let expiry = [Action::Stamp(late), Action::Sweep, Action::Stamp(late), Action::Sweep];
            ended(&format!("late {flags}"), &expiry).given(NEXT.opening()).sends(
                &A.member(flags),
                format!("forward_to_client +1; member 0: packets_out +1; ~ A<: seen{news}"),
            )
        });
    check(cases);
}
