//! Clients that are kept on their members.

use lb_common::addr::Addr;
use lb_common::state::{Method, Persistence};
use lb_tests::datapath::{Action, Age, Conn, Stamping, World};

use super::case::{Case, case, check};
use super::opens;

/// A client's first connection, its next one and another client's.
const FIRST: Conn = Conn::new("F", 101, 25_000, 25_000, 0);
const NEXT: Conn = Conn::new("N", 101, 25_001, 25_001, 0);
const OTHER: Conn = Conn::new("O", 102, 26_000, 26_000, 1);

const SECOND: u64 = 1_000_000_000;

fn sticky(weights: &[u32]) -> World {
    let persistence = Persistence { timeout: 0, mask: Addr::mask(Addr::BITS), enabled: 1 };
    World { persistence, ..World::new(weights) }
}

fn timing_out(timeout: u64) -> World {
    let world = sticky(&[1, 1]);
    World { persistence: Persistence { timeout, ..world.persistence }, ..world }
}

fn by(bits: u32) -> World {
    let world = sticky(&[1, 1]);
    World {
        persistence: Persistence { mask: Addr::mask(Addr::V4_BITS + bits), ..world.persistence },
        ..world
    }
}

/// The world after a change that brings no new members.
fn changed(world: World) -> Action {
    World { newcomers: Vec::new(), ..world }.install()
}

/// The first connection was opened, then the rest happened.
fn known(name: &str, world: World, then: impl IntoIterator<Item = Action>) -> Case {
    case(name).world(world).conns(&[FIRST, NEXT, OTHER]).given(FIRST.opening()).given(then)
}

/// A connection opens and its client is kept on the member of this incarnation.
fn comes(conn: &Conn, incarnation: u32) -> String {
    format!("{}; {} to {}/{incarnation}", opens(conn), conn.client.ip(), conn.member)
}

/// A connection opens at the member that its client had.
fn returns(conn: &Conn) -> String {
    format!("{}; connection_persisted +1; {} again", opens(conn), conn.client.ip())
}

fn at(conn: Conn, member: u32) -> Conn {
    Conn { member, ..conn }
}

fn aged(client: Age) -> Action {
    Action::Stamp(Stamping::Each { client, member: Age::Future, opened: Age::Future })
}

#[test]
fn a_client_comes_back_to_its_member() {
    let idle = World { method: Method::LeastConn, ..sticky(&[1, 1]) };
    check([
        case("a new client")
            .world(sticky(&[1, 1]))
            .conns(&[FIRST])
            .sends(&FIRST.client("S"), comes(&FIRST, 1)),
        known("the next connection", sticky(&[1, 1]), []).sends(&NEXT.client("S"), returns(&NEXT)),
        known("another client", sticky(&[1, 1]), []).sends(&OTHER.client("S"), comes(&OTHER, 1)),
        known("whatever the load", idle, []).sends(&NEXT.client("S"), returns(&NEXT)),
        known("without taking a turn", sticky(&[1, 1]), NEXT.opening())
            .sends(&OTHER.client("S"), comes(&OTHER, 1)),
        known("without persistence", World::new(&[1, 1]), [])
            .conns(&[FIRST, at(NEXT, 1)])
            .sends(&at(NEXT, 1).client("S"), opens(&at(NEXT, 1))),
    ]);
}

#[test]
fn a_drained_member_keeps_its_clients() {
    let drained = World { members: vec![(0, 0), (1, 1)], ..sticky(&[]) };
    let all_drained = World { members: vec![(0, 0), (1, 0)], ..sticky(&[]) };
    let (new, other) = (at(OTHER, 1), OTHER.client("S").input.frame());
    check([
        known("weight 0", sticky(&[1, 1]), [changed(drained.clone())])
            .sends(&NEXT.client("S"), returns(&NEXT)),
        known("new clients go elsewhere", sticky(&[1, 1]), [changed(drained)])
            .sends(&new.client("S"), comes(&new, 1)),
        known("all drained", sticky(&[1, 1]), [changed(all_drained.clone())])
            .sends(&NEXT.client("S"), returns(&NEXT)),
        known("all drained, a new client", sticky(&[1, 1]), [changed(all_drained)])
            .passes(other, "refuse_no_member +1"),
    ]);
}

#[test]
fn a_member_that_is_gone_loses_its_clients() {
    let without = || World { members: vec![(1, 1)], ..sticky(&[]) };
    let moved = at(NEXT, 1);
    let gone = |name, then: &[Action]| {
        let then = [changed(without())].into_iter().chain(then.iter().cloned());
        known(name, sticky(&[1, 1]), then).conns(&[FIRST, moved])
    };
    let newcomer = World { newcomers: vec![0], incarnation: 2, ..sticky(&[1, 1]) };
    let last = Conn::new("L", 101, 25_002, 25_002, 1);
    check([
        gone("its client is scheduled anew", &[]).sends(&moved.client("S"), comes(&moved, 1)),
        gone(
            "and stays there when the member is back",
            &[moved.client("S").action(), changed(sticky(&[1, 1]))],
        )
        .conns(&[FIRST, moved, last])
        .sends(&last.client("S"), returns(&last)),
        gone("one that did not come meanwhile returns", &[changed(sticky(&[1, 1]))])
            .conns(&[FIRST, NEXT])
            .sends(&NEXT.client("S"), returns(&NEXT)),
        gone("another member of the same index inherits nobody", &[newcomer.install()])
            .sends(&moved.client("S"), comes(&moved, 2)),
    ]);
}

#[test]
fn a_member_that_fails_or_is_full_gives_its_clients_up() {
    let moved = at(NEXT, 1);
    let ejected = |name, until| {
        known(name, sticky(&[1, 1]), [Action::Eject(0, until)]).conns(&[FIRST, NEXT, moved])
    };
    let full = World { limits: [(0, 1)].into(), ..sticky(&[1, 1]) };
    let reset = FIRST.client("R").action();
    check([
        ejected("ejected", Age::Future).sends(&moved.client("S"), comes(&moved, 1)),
        ejected("ejected long ago", Age::Ancient).sends(&NEXT.client("S"), returns(&NEXT)),
        known("full", full.clone(), [])
            .conns(&[FIRST, moved])
            .sends(&moved.client("S"), comes(&moved, 1)),
        known("with room again", full, [reset]).sends(&NEXT.client("S"), returns(&NEXT)),
    ]);
}

#[test]
fn a_client_is_forgotten_after_the_timeout() {
    let second = at(NEXT, 1);
    let expired =
        |name, then: Vec<Action>| known(name, timing_out(SECOND), then).conns(&[FIRST, second]);
    check([
        expired("ancient", vec![aged(Age::Ancient)])
            .keeping_ages()
            .sends(&second.client("S"), comes(&second, 1)),
        known("within the timeout", timing_out(1 << 61), [aged(Age::Ancient)])
            .keeping_ages()
            .sends(&NEXT.client("S"), returns(&NEXT)),
        known("without a timeout", sticky(&[1, 1]), [aged(Age::Ancient)])
            .keeping_ages()
            .sends(&NEXT.client("S"), returns(&NEXT)),
        known(
            "a timeout that comes later counts",
            sticky(&[1, 1]),
            [aged(Age::Ancient), changed(timing_out(SECOND))],
        )
        .keeping_ages()
        .conns(&[FIRST, second])
        .sends(&second.client("S"), comes(&second, 1)),
    ]);
}

#[test]
fn granularity_joins_clients() {
    let neighbour = Conn { member: 0, ..OTHER };
    let net = |name, bits, network: &str| {
        let again = format!("{}; connection_persisted +1; {network} again", opens(&neighbour));
        case(name)
            .world(by(bits))
            .conns(&[FIRST, neighbour])
            .given(FIRST.opening())
            .sends(&neighbour.client("S"), again)
    };
    check([
        net("a /24 is one client", 24, "10.0.0.0"),
        net("everybody is one client", 0, "0.0.0.0"),
        // 101 and 102 differ in the last two bits.
        net("a /30 that both are in", 30, "10.0.0.100"),
        case("a /31 that they are not both in")
            .world(by(31))
            .conns(&[FIRST, OTHER])
            .given(FIRST.opening())
            .sends(&OTHER.client("S"), format!("{}; 10.0.0.102 to 1/1", opens(&OTHER))),
    ]);
}

#[test]
fn a_connection_that_is_refused_moves_nobody() {
    let refused = |name, world: World, counter: &str| {
        let case = known(name, sticky(&[1, 1]), [changed(world)]);
        case.passes(NEXT.client("S").input.frame(), format!("{counter} +1"))
    };
    check([
        refused("disabled", World { enabled: false, ..sticky(&[1, 1]) }, "refuse_disabled"),
        refused("no port", World { ports: (80, 80), ..sticky(&[1, 1]) }, "refuse_no_port"),
    ]);
}
