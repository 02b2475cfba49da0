//! Who gets a connection when not everybody can have it.

use std::collections::BTreeMap;

use lb_common::state::Method;
use lb_tests::datapath::{Action, Age, Conn, METHODS, Stamping, World};

use super::case::{case, check};
use super::{A, B, opens};

fn world(method: Method, weights: &[u32]) -> World {
    World { method, ..World::new(weights) }
}

fn limited(method: Method, limits: &[(u32, u32)]) -> World {
    let limits: BTreeMap<u32, u32> = limits.iter().copied().collect();
    World { limits, ..world(method, &[1, 1]) }
}

/// A client, and a port, of its own for each number.
fn conn(name: &'static str, client: u8, member: u32) -> Conn {
    let port = 25_000 + client as u16;
    Conn::new(name, client, port, port, member)
}

#[test]
fn source_ip_is_haproxys_table() {
    // 3:1 is 0 0 0 1; the address counts modulo 4.
    let given = [(100, 0), (101, 0), (102, 0), (103, 1), (104, 0), (107, 1)];
    check(given.map(|(client, member)| {
        let conn = conn("C", client, member);
        case(format!("client {client} at 3:1"))
            .world(world(Method::SourceIp, &[3, 1]))
            .conns(&[conn])
            .sends(&conn.client("S"), opens(&conn))
    }));
    let again = Conn::new("B", 103, 41_234, 20_000, 1);
    check([case("the port does not matter, nor does the load")
        .world(World { ports: (20_000, 20_000), ..world(Method::SourceIp, &[3, 1]) })
        .conns(&[again])
        .sends(&again.client("S"), opens(&again))]);
}

#[test]
fn a_full_member_overflows_to_the_other_whatever_the_method() {
    let cases = METHODS.into_iter().flat_map(|method| {
        [(0, 1), (1, 0)].map(|(full, other)| {
            let world = limited(method, &[(full, 1)]);
            // Fills the member, whichever has the first connection.
            let filling = |client| conn("F", client, 0).client("S").action();
            let last = conn("L", 110, other);
            let given: Vec<Action> = (100..108).map(filling).collect();
            case(format!("{method:?}, member {full} is full"))
                .world(world)
                .conns(&[last])
                .given(given)
                .sends(&last.client("S"), opens(&last))
        })
    });
    check(cases);
}

#[test]
fn when_all_are_full_a_connection_is_refused_until_one_ends() {
    let third = |member| conn("C", 103, member);
    let cases = METHODS.into_iter().flat_map(|method| {
        let full = |name: &str| {
            case(format!("{method:?}, {name}"))
                .world(limited(method, &[(0, 1), (1, 1)]))
                .given([conn("A", 100, 0), conn("B", 101, 1)].iter().flat_map(Conn::opening))
        };
        [full("all full").passes(third(0).client("S").input.frame(), "refuse_members_full +1")]
    });
    check(cases);
    let resets = |conn: &Conn| vec![conn.member("RA").action()];
    check([
        case("least connections, the first has room again")
            .world(limited(Method::LeastConn, &[(0, 1), (1, 1)]))
            .conns(&[third(0)])
            .given(A.opening().into_iter().chain(B.opening()).chain(resets(&A)))
            .sends(&third(0).client("S"), opens(&third(0))),
        case("round robin, the second has room again")
            .world(limited(Method::RoundRobin, &[(0, 1), (1, 1)]))
            .conns(&[third(1)])
            .given(A.opening().into_iter().chain(B.opening()).chain(resets(&B)))
            .sends(&third(1).client("S"), opens(&third(1))),
    ]);
}

#[test]
fn an_ejected_member_is_left_out_unless_all_are() {
    let last = |member| conn("L", 110, member);
    let out = |member| Action::Eject(member, Age::Future);
    let cases = METHODS.into_iter().flat_map(|method| {
        let without = |gone: u32, other| {
            case(format!("{method:?}, member {gone} is out"))
                .world(world(method, &[1, 1]))
                .conns(&[last(other)])
                .given([out(gone)])
                .sends(&last(other).client("S"), opens(&last(other)))
        };
        [without(0, 1), without(1, 0)]
    });
    check(cases);
    let cases = METHODS.into_iter().map(|method| {
        case(format!("{method:?}, the only member is out"))
            .world(world(method, &[1]))
            .conns(&[last(0)])
            .given([out(0)])
            .sends(&last(0).client("S"), opens(&last(0)))
    });
    check(cases);
    check([
        case("until then")
            .world(world(Method::LeastConn, &[1, 1]))
            .conns(&[last(0)])
            .given([Action::Eject(0, Age::Ancient)])
            .sends(&last(0).client("S"), opens(&last(0))),
        case("a full member is no reason to take an ejected one back")
            .world(limited(Method::LeastConn, &[(0, 1)]))
            .conns(&[last(1)])
            .given(A.opening().into_iter().chain([out(1)]))
            .sends(&last(1).client("S"), opens(&last(1))),
    ]);
}

#[test]
fn members_without_weight_are_there_and_get_nothing() {
    let cases = METHODS.into_iter().flat_map(|method| {
        let last = conn("L", 110, 1);
        [
            case(format!("{method:?}, one without weight"))
                .world(world(method, &[0, 1]))
                .conns(&[last])
                .sends(&last.client("S"), opens(&last)),
            case(format!("{method:?}, none with weight"))
                .world(world(method, &[0, 0]))
                .passes(last.client("S").input.frame(), "refuse_no_member +1"),
        ]
    });
    check(cases);
}

#[test]
fn least_response_time() {
    let lrt = || world(Method::LeastResponseTime, &[1, 1, 1]);
    let [first, second, third] = [conn("A", 101, 0), conn("B", 102, 1), conn("C", 103, 2)];
    let last = |member| conn("L", 110, member);
    // By the ages, the first member takes forever to accept, the others no time.
    let aged =
        |opened| Action::Stamp(Stamping::Each { client: Age::Future, member: Age::Future, opened });
    let accepts = |conn: &Conn, opened| vec![aged(opened), conn.member("SA").action()];
    let known = || -> Vec<Action> {
        [first, second, third]
            .iter()
            .flat_map(Conn::opening)
            .chain(accepts(&first, Age::Ancient))
            .chain(accepts(&second, Age::Future))
            .chain(accepts(&third, Age::Future))
            .collect()
    };
    check([
        case("each member is tried once")
            .world(lrt())
            .conns(&[first, second, third])
            .given(first.opening().into_iter().chain(second.opening()))
            .sends(&third.client("S"), opens(&third)),
        case("who is quicker, and among equals who has waited longer")
            .world(lrt())
            .conns(&[last(1)])
            .given(known())
            .sends(&last(1).client("S"), opens(&last(1))),
        case("by connections")
            .world(lrt())
            .conns(&[last(2)])
            .given(known().into_iter().chain(conn("D", 104, 1).opening()))
            .sends(&last(2).client("S"), opens(&last(2))),
        case("a slow member gets none, however busy the others are")
            .world(lrt())
            .conns(&[last(1)])
            .given(known().into_iter().chain((111..115).flat_map(|n| conn("D", n, 1).opening())))
            .sends(&last(1).client("S"), opens(&last(1))),
        case("what nobody knows is not better than what is known")
            .world(lrt())
            .conns(&[last(0)])
            .given(
                [first, second, third]
                    .iter()
                    .flat_map(Conn::opening)
                    .chain(accepts(&first, Age::Ancient)),
            )
            .sends(&last(0).client("S"), opens(&last(0))),
    ]);
}
