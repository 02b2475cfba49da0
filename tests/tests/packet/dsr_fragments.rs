//! Datagrams that come in fragments to members that answer past the node (`mode: dsr`).

use lb_common::state::Mode;
use lb_tests::datapath::{Conn, World};

use super::ahead;
use super::case::{Case, case, check};
use super::fragments::{ID, PARTS, frame, long, more_ahead, parts, tracked};

const A: Conn = super::A.dsr();

fn open(name: &str) -> Case {
    let world = World { mode: Mode::Dsr, ..World::new(&[1, 1]) };
    case(name).world(world).conns(&[A]).given([A.client("S").action(), A.client("A").action()])
}

#[test]
fn fragments_go_on_as_they_are() {
    let parts = parts(&long(A.client("PA")), ID);
    let [one, two, three] = [&parts[0], &parts[1], &parts[2]];
    for [input, output] in &parts {
        assert_eq!(input, output);
    }
    let went = |case: Case, [input, output]: &[Vec<u8>; 2], delta: String| {
        case.rewrites(input.clone(), output.clone(), delta)
    };
    check([
        went(open("the first"), one, ahead(&A, PARTS[0]) + &tracked("A>", ID)),
        went(open("the second").given([frame(one)]), two, more_ahead(&A, PARTS[1])),
        went(open("the last").given([frame(one), frame(two)]), three, more_ahead(&A, PARTS[2])),
    ]);
}
