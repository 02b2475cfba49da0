//! Listeners that do not take everybody.

use lb_common::state::Overflow;
use lb_tests::datapath::{Action, Age, Conn, Stamping, World};

use super::case::{Case, Said, case, check};
use super::{A, B, ahead, opens};

fn limited(limit: u32, overflow: Overflow) -> World {
    World { limit: Some(limit), overflow, ..World::new(&[1, 1]) }
}

fn allowing(networks: &[([u8; 4], u32)]) -> World {
    World { allowed: Some(networks.to_vec()), ..World::new(&[1, 1]) }
}

/// The same world without newcomers: what a later change of a pool looks like.
fn again(world: World) -> Action {
    World { newcomers: Vec::new(), ..world }.install()
}

fn syn(conn: &Conn) -> Vec<u8> {
    conn.client("S").input.frame()
}

#[test]
fn a_limit_turns_away_what_is_too_much() {
    let full = |name, limit, overflow| case(name).world(limited(limit, overflow)).conns(&[A, B]);
    check([
        full("the last place", 2, Overflow::Drop)
            .given(A.opening())
            .sends(&B.client("S"), opens(&B)),
        full("above the limit, drop", 1, Overflow::Drop)
            .given(A.opening())
            .drops(syn(&B), "drop_connection_limit +1"),
        full("above the limit, reset", 1, Overflow::Reset)
            .given(A.opening())
            .passes(syn(&B), "refuse_connection_limit +1"),
        full("a limit of nobody, drop", 0, Overflow::Drop)
            .drops(syn(&A), "drop_connection_limit +1"),
        full("a limit of nobody, reset", 0, Overflow::Reset)
            .passes(syn(&A), "refuse_connection_limit +1"),
        full("a SYN sent again is no second connection", 1, Overflow::Drop)
            .given(A.opening())
            .sends(&A.client("S"), ahead(&A, 0)),
        full("what is there goes on", 1, Overflow::Drop)
            .given(A.established())
            .sends(&A.client("PA").with(|tcp| tcp.payload(b"x")), ahead(&A, 1)),
    ]);
}

#[test]
fn a_place_is_free_again_however_the_connection_ended() {
    let second = Conn { member: 1, ..B };
    let past = Stamping::Each { client: Age::Ancient, member: Age::Ancient, opened: Age::Future };
    let expired = || [Action::Stamp(past), Action::Sweep];
    let ended = |name, ending: &[Action]| {
        let before = A.established().into_iter().chain(ending.iter().cloned());
        case(name).world(limited(1, Overflow::Drop)).conns(&[A, second]).given(before)
    };
    let served = |case: Case| case.sends(&second.client("S"), opens(&second));
    let turned_away = |case: Case| case.drops(syn(&second), "drop_connection_limit +1");
    let one_fin = A.client("FA").action();
    check([
        served(ended("both have closed", &[one_fin.clone(), A.member("FA").action()])),
        served(ended("reset by the client", &[A.client("R").action()])),
        served(ended("reset by the member", &[A.member("R").action()])),
        served(ended("expired", &expired())),
        turned_away(ended("one has closed", &[one_fin])),
    ]);
}

#[test]
fn what_fails_for_another_reason_takes_no_place() {
    let one = limited(1, Overflow::Drop);
    let nobody = World { members: Vec::new(), ..one.clone() };
    let no_port = World { ports: (80, 80), ..one.clone() };
    check([
        case("no member").world(nobody).passes(syn(&A), "refuse_no_member +1"),
        case("no port").world(no_port).passes(syn(&A), "refuse_no_port +1"),
        case("no room")
            .world(World { max_flows: 1, ..one })
            .passes(syn(&A), "refuse_table_full +1"),
    ]);
}

#[test]
fn a_limit_counts_what_is_there_when_it_comes() {
    let both = || A.opening().into_iter().chain(B.opening());
    let third = Conn::new("C", 103, 27_000, 27_000, 0);
    let changed =
        |name, world: World| case(name).conns(&[A, B, third]).given(both()).given([again(world)]);
    check([
        changed("no room", limited(2, Overflow::Drop))
            .drops(syn(&third), "drop_connection_limit +1"),
        changed("less than there is", limited(1, Overflow::Reset))
            .passes(syn(&third), "refuse_connection_limit +1"),
        changed("room for one", limited(3, Overflow::Drop))
            .sends(&third.client("S"), opens(&third)),
        case("lifted")
            .world(limited(2, Overflow::Drop))
            .conns(&[A, B, third])
            .given(both())
            .given([again(World::new(&[1, 1]))])
            .sends(&third.client("S"), opens(&third)),
    ]);
}

#[test]
fn only_the_allowed_networks_are_served() {
    // The client is 10.0.0.101.
    let allowed = |networks: &[([u8; 4], u32)]| -> Said {
        case(format!("within {networks:?}"))
            .world(allowing(networks))
            .conns(&[A])
            .sends(&A.client("S"), opens(&A))
    };
    let denied = |networks: &[([u8; 4], u32)]| -> Said {
        case(format!("not within {networks:?}"))
            .world(allowing(networks))
            .drops(syn(&A), "drop_not_allowed +1")
    };
    check([
        allowed(&[([0; 4], 0)]),
        allowed(&[([10, 0, 0, 0], 8)]),
        allowed(&[([10, 0, 0, 100], 31)]),
        allowed(&[([10, 0, 0, 101], 32)]),
        allowed(&[([10, 0, 0, 102], 32), ([10, 0, 0, 101], 32)]),
        allowed(&[([192, 0, 2, 0], 24), ([10, 0, 0, 96], 29), ([128, 0, 0, 0], 1)]),
        denied(&[]),
        denied(&[([10, 0, 0, 100], 32), ([10, 0, 0, 102], 31)]),
        denied(&[([101, 0, 0, 10], 32)]),
        denied(&[([128, 0, 0, 0], 1)]),
    ]);
}

#[test]
fn a_change_of_networks_touches_no_connection() {
    let elsewhere = || allowing(&[([192, 0, 2, 0], 24)]);
    let denied =
        |name: &str| case(name).conns(&[A, B]).given(A.established()).given([again(elsewhere())]);
    let disabled = World { enabled: false, ..elsewhere() };
    check([
        denied("the connection goes on").sends(&A.client("A"), ahead(&A, 0)),
        denied("a new one does not").drops(syn(&B), "drop_not_allowed +1"),
        denied("what opens nothing passes")
            .passes(B.client("A").input.frame(), "pass_no_connection +1"),
        case("nothing of a former list stays")
            .world(allowing(&[([10, 0, 0, 0], 24)]))
            .given([again(elsewhere())])
            .drops(syn(&A), "drop_not_allowed +1"),
        case("the list of another version is not asked")
            .world(elsewhere())
            .conns(&[A])
            .given([again(elsewhere()), again(allowing(&[([10, 0, 0, 0], 24)]))])
            .sends(&A.client("S"), opens(&A)),
        case("a list is lifted")
            .world(elsewhere())
            .conns(&[A])
            .given([again(World::new(&[1, 1]))])
            .sends(&A.client("S"), opens(&A)),
        case("strangers do not learn that the listener is disabled")
            .world(disabled)
            .drops(syn(&A), "drop_not_allowed +1"),
    ]);
}
