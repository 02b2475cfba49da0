//! SYNs to a listener that cannot serve them.

use lb_common::state::Method;
use lb_tests::datapath::{Action, POOL, World};

use super::case::{case, check};
use super::{A, B, ahead, back};

fn disabled() -> World {
    World { enabled: false, ..World::new(&[1, 1]) }
}

fn empty() -> World {
    World::new(&[])
}

fn room(max_flows: u32) -> World {
    World { max_flows, ..World::new(&[1, 1]) }
}

#[test]
fn new_connections_are_refused() {
    let syn = || A.client("S").input.frame();
    check([
        case("disabled").world(disabled()).passes(syn(), "refuse_disabled +1"),
        case("no members, round robin").world(empty()).passes(syn(), "refuse_no_member +1"),
        case("no members, least connections")
            .world(World { method: Method::LeastConn, ..empty() })
            .passes(syn(), "refuse_no_member +1"),
        case("the pool is missing")
            .given([Action::ForgetPool(POOL)])
            .drops(syn(), "drop_inconsistent +1"),
    ]);
}

#[test]
fn a_full_table_refuses_and_keeps_no_half_connection() {
    let syn = || B.client("S").input.frame();
    check([
        case("room for no connection").world(room(1)).passes(syn(), "refuse_table_full +1"),
        case("no room left")
            .world(room(2))
            .given(A.opening())
            .passes(syn(), "refuse_table_full +1"),
        case("room for one direction only")
            .world(room(3))
            .given(A.opening())
            .passes(syn(), "refuse_table_full +1"),
        case("known connections go on in a full table")
            .world(room(2))
            .conns(&[A])
            .given(A.established())
            .sends(&A.client("A").with(|tcp| tcp.payload(b"x")), ahead(&A, 1)),
    ]);
}

#[test]
fn established_connections_outlive_the_configuration() {
    let changes = [
        ("disabled", disabled().install()),
        ("members gone", World { newcomers: Vec::new(), ..empty() }.install()),
        ("pool missing", Action::ForgetPool(POOL)),
    ];
    let cases = changes.into_iter().flat_map(|(name, change)| {
        let established = |way| {
            let given = A.established().into_iter().chain([change.clone()]);
            case(format!("{name}, {way}")).conns(&[A]).given(given)
        };
        [
            established("to the member").sends(&A.client("A"), ahead(&A, 0)),
            established("to the client").sends(&A.member("A"), back(&A, 0)),
        ]
    });
    check(cases);
}
