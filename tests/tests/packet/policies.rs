//! Every policy with everything that narrows its choice.

use lb_common::addr::Addr;
use lb_common::state::{Method, Persistence};
use lb_tests::datapath::{Action, Age, Conn, METHODS, World};

use super::case::{Said, case, check};
use super::opens;

/// What narrows the choice among three members to one.
struct Narrow {
    name: &'static str,
    weights: [u32; 3],
    /// Most connections of members, by index.
    limits: &'static [(u32, u32)],
    /// Members that are out for a while.
    ejected: &'static [u32],
    /// The only one that is left.
    left: Option<u32>,
}

/// Weight 0 stands for drained members and for backups that rest while another member is up.
const NARROWS: [Narrow; 9] = [
    Narrow { name: "two drained", weights: [0, 7, 0], limits: &[], ejected: &[], left: Some(1) },
    Narrow {
        name: "the heaviest there is",
        weights: [0, 0, 256],
        limits: &[],
        ejected: &[],
        left: Some(2),
    },
    Narrow {
        name: "two ejected",
        weights: [1, 1, 1],
        limits: &[],
        ejected: &[1, 2],
        left: Some(0),
    },
    Narrow {
        name: "one ejected, one drained",
        weights: [1, 0, 1],
        limits: &[],
        ejected: &[0],
        left: Some(2),
    },
    Narrow {
        name: "the last is taken back",
        weights: [0, 1, 0],
        limits: &[],
        ejected: &[1],
        left: Some(1),
    },
    Narrow {
        name: "all ejected but a drained one",
        weights: [0, 1, 0],
        limits: &[],
        ejected: &[0, 1],
        left: Some(1),
    },
    Narrow {
        name: "two full, one with room",
        weights: [1, 1, 1],
        limits: &[(0, 1), (2, 1)],
        ejected: &[],
        left: Some(1),
    },
    Narrow {
        name: "full, others drained",
        weights: [1, 0, 0],
        limits: &[(0, 1)],
        ejected: &[],
        left: None,
    },
    Narrow {
        name: "all full",
        weights: [1, 2, 3],
        limits: &[(0, 1), (1, 1), (2, 1)],
        ejected: &[],
        left: None,
    },
];

fn world(method: Method, narrow: &Narrow) -> World {
    let limits = narrow.limits.iter().copied().collect();
    World { method, limits, ..World::new(&narrow.weights) }
}

/// Clients enough that each member with a limit is full whatever the method.
fn crowd(narrow: &Narrow) -> Vec<Action> {
    let many = if narrow.limits.is_empty() { 0 } else { 24 };
    let conn = |number: u8| Conn::new("", 120 + number, 21_000 + u16::from(number), 0, 0);
    (0..many).map(|number| conn(number).client("S").action()).collect()
}

#[test]
fn the_only_member_that_is_left_gets_the_connection() {
    let said = |method: Method, narrow: &Narrow| -> Said {
        let last = Conn::new("L", 110, 25_000, 25_000, narrow.left.unwrap_or(0));
        let out = narrow.ejected.iter().map(|member| Action::Eject(*member, Age::Future));
        let case = case(format!("{method:?}, {}", narrow.name)).world(world(method, narrow));
        let case = case.conns(&[last]).arranged(out.chain(crowd(narrow)));
        match narrow.left {
            Some(_) => case.sends(&last.client("S"), opens(&last)),
            None => case.passes(last.client("S").input.frame(), "refuse_members_full +1"),
        }
    };
    check(
        METHODS
            .into_iter()
            .flat_map(|method| NARROWS.each_ref().map(|narrow| said(method, narrow))),
    );
}

/// A client that was kept on a member comes back to it, whatever the policy would say.
#[test]
fn persistence_wins_over_every_policy() {
    let persistence = Persistence { timeout: 0, mask: Addr::mask(Addr::BITS), enabled: 1 };
    let world = |method, weights: &[u32]| World { method, persistence, ..World::new(weights) };
    let cases = METHODS.into_iter().flat_map(|method| {
        [0, 1].map(|home| {
            // While the other rests, as a backup does; then the roles are exchanged.
            let (before, after) = if home == 0 { ([1, 0], [0, 1]) } else { ([0, 1], [1, 0]) };
            let first = Conn::new("F", 101, 25_000, 25_000, home);
            let next = Conn::new("N", 101, 25_001, 25_001, home);
            let changed = World { newcomers: Vec::new(), ..world(method, &after) }.install();
            let again = format!("{}; connection_persisted +1; 10.0.0.101 again", opens(&next));
            case(format!("{method:?}, member {home}"))
                .world(world(method, &before))
                .conns(&[first, next])
                .given(first.opening().into_iter().chain([changed]))
                .sends(&next.client("S"), again)
        })
    });
    check(cases);
}

/// A member that has just come has a sixteenth of its weight, as HAProxy's slow start gives it.
#[test]
fn a_member_that_starts_slowly_has_its_part() {
    let starting = |method| World { method, shares: [(0, 1)].into(), ..World::new(&[1, 1]) };
    let conn = |name, client: u8, member| {
        let port = 25_000 + u16::from(client);
        Conn::new(name, client, port, port, member)
    };
    let opened =
        |count: u8| (0..count).map(move |number| conn("", 101 + number, 0).client("S").action());
    let last = |member| conn("L", 200, member);
    let said = |method, before, member| {
        case(format!("{method:?}, {before} before"))
            .world(starting(method))
            .conns(&[last(member)])
            .given(opened(before))
            .sends(&last(member).client("S"), opens(&last(member)))
    };
    check([
        // An idle member goes first; 2 of 1 sixteenth is as much as 32 of 16.
        said(Method::LeastConn, 0, 0),
        said(Method::LeastConn, 1, 1),
        said(Method::LeastConn, 2, 1),
        said(Method::LeastConn, 31, 1),
        said(Method::LeastConn, 32, 0),
        said(Method::LeastConn, 33, 1),
    ]);
}
