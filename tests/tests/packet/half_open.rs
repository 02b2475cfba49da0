//! Places of half-open connections.

use lb_tests::datapath::{Action, Conn, World};

use super::case::{Case, case, check};
use super::{ahead, opens};

/// Eight places, and room for ten connections.
const ROOM: u32 = 20;

/// A client of its own for each number; members take turns.
fn conn(name: &'static str, number: u8) -> Conn {
    Conn::new(
        name,
        100 + number,
        25_000 + u16::from(number),
        25_000 + u16::from(number),
        u32::from(number % 2),
    )
}

/// Eight connections, in order, of which each does the same.
fn eight(name: &str, each: fn(&Conn) -> Vec<Action>) -> Case {
    let world = World { max_flows: ROOM, ..World::new(&[1, 1]) };
    let all = (0..8).flat_map(|number| each(&conn("", number)));
    case(name).world(world).conns(&[conn("A", 0), conn("I", 8)]).given(all)
}

#[test]
fn the_oldest_gives_way() {
    let ninth = conn("I", 8);
    let syn = || ninth.client("S");
    let reset = |conn: &Conn| [conn.opening(), vec![conn.client("R").action()]].concat();
    let accepted = |conn: &Conn| [conn.opening(), vec![conn.member("SA").action()]].concat();
    check([
        eight("half-open ones", Conn::opening).sends(
            &syn(),
            "forward_to_member +1; connection_opened +1; half_open_crowded_out +1;
             member 0: connections +1 packets_in +1 stamp 7 => 10; - A>; - A<; + I>; + I<",
        ),
        eight("half-open ones that were reset", reset)
            .sends(&syn(), format!("{}; - A>; - A<", opens(&ninth))),
        eight("ones that a member has accepted", accepted).sends(
            &syn(),
            "forward_to_member +1; connection_opened +1; half_open_crowded_out +1;
             member 0: connections +1 packets_in +1 stamp 7 => 10; - A>; - A<; + I>; + I<",
        ),
        eight("a SYN that is sent again takes no place", Conn::opening)
            .sends(&conn("A", 0).client("S"), ahead(&conn("A", 0), 0)),
        eight("complete ones stay", Conn::established).sends(&syn(), opens(&ninth)),
    ]);
}

#[test]
fn who_gave_way_is_a_stranger() {
    let gone = conn("A", 0);
    let crowded = |name: &str| eight(name, Conn::opening).given(conn("I", 8).opening());
    check([
        crowded("the member answers late")
            .passes(gone.member("SA").input.frame(), "pass_not_vip +1"),
        crowded("the client completes late")
            .passes(gone.client("A").input.frame(), "pass_no_connection +1"),
        crowded("the client gives up")
            .passes(gone.client("R").input.frame(), "pass_no_connection +1"),
    ]);
}
