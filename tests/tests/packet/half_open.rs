//! Places of half-open connections.

use lb_tests::datapath::{Action, Conn, World};

use super::case::{Case, case, check};
use super::opens;

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
    check([
        eight("half-open ones", Conn::opening).sends(
            &syn(),
            "forward_to_member +1; connection_opened +1; half_open_crowded_out +1;
             member 0: connections +1 packets_in +1 stamp 7 => 10; - A>; - A<; + I>; + I<",
        ),
        eight("half-open ones that were reset", reset)
            .sends(&syn(), format!("{}; - A>; - A<", opens(&ninth))),
        eight("complete ones stay", Conn::established).sends(&syn(), opens(&ninth)),
    ]);
}
