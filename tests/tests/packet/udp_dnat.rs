//! UDP flows whose members see their clients (`mode: dnat`).

use lb_common::state::Mode;
use lb_tests::datapath::{Action, Conn, World, member};

use super::case::{Case, case, check};
use super::udp::{answered, answers, asked, asks, comes, frames, opens};

const A: Conn = Conn::udp("A", 101, 25_000, 25_000, 0).dnat();
const MOVED: Conn = Conn::udp("M", 101, 25_000, 25_000, 1).dnat();

fn world(members: &[(u32, u32)]) -> World {
    World { mode: Mode::Dnat, members: members.to_vec(), ..World::udp(&[1, 1]) }
}

fn told(name: &str, given: Vec<Action>) -> Case {
    case(name).world(world(&[(0, 1), (1, 1)])).conns(&[A, MOVED]).given(given)
}

#[test]
fn the_member_sees_the_client_and_its_answers_come_from_the_vip() {
    let first = format!("{} accepted; ~ A>: accepted completed", answers(&A, 6));
    let [query, answer] = [frames(&A.asks(b"query")), frames(&A.answers(b"answer"))];
    let seen = A.asks(b"query").input.readdressed(A.client, member(0)).hops(63);
    assert_eq!(query[1], seen.frame());
    let [[ask, asked_so], [told_so, heard]] = [query, answer];
    let [next, next_so] = frames(&A.asks(b"next"));
    check([
        told("the first datagram", vec![]).rewrites(ask, asked_so, opens(&A, 5)),
        told("the first answer", asked(&A)).rewrites(told_so, heard, first),
        told("the next question", answered(&A)).rewrites(next, next_so, asks(&A, 4)),
    ]);
}

#[test]
fn a_flow_moves_with_its_clients_address() {
    let [input, output] = frames(&MOVED.asks(b"query"));
    let gone = World { newcomers: Vec::new(), ..world(&[(1, 1)]) }.install();
    let delta = format!(
        "udp_flow_moved +1; member 0: active -1; {}; - A<",
        comes(&MOVED, "active +1 connections +1", 5).replace("+ M> ", "- A> + M> ")
    );
    check([
        told("its member has left", answered(&A)).given([gone.clone()]).rewrites(
            input.clone(),
            output.clone(),
            delta.clone(),
        ),
        told("before it has answered", asked(&A)).given([gone]).rewrites(input, output, delta),
    ]);
}
