//! The reaper.

use lb_common::state::Timers;
use lb_tests::datapath::{Action, Age, Conn, POOL, Stamping, World};

use super::case::{Case, case, check};
use super::{A, B};

/// Longer than any clock.
const FOREVER: u64 = 1 << 61;
const SECOND: u64 = 1_000_000_000;

/// The connection in each state, with the timer of that state and whether it is still counted.
type State = (&'static str, fn(&Conn) -> Vec<Action>, fn(&mut Timers) -> &mut u64, bool);

const STATES: [State; 6] = [
    ("opening", |conn| conn.opening(), |timers| &mut timers.opening, true),
    ("established", |conn| conn.established(), |timers| &mut timers.established, true),
    (
        "client done",
        |conn| half_closed(conn, conn.client("FA").action()),
        |timers| &mut timers.closing,
        true,
    ),
    (
        "member done",
        |conn| half_closed(conn, conn.member("FA").action()),
        |timers| &mut timers.closing,
        true,
    ),
    ("closed", |conn| conn.closed(), |timers| &mut timers.closed, false),
    (
        "reset",
        |conn| half_closed(conn, conn.member("R").action()),
        |timers| &mut timers.closed,
        false,
    ),
];

fn half_closed(conn: &Conn, last: Action) -> Vec<Action> {
    let mut all = conn.established();
    all.push(last);
    all
}

/// A world where every state lasts for `rest`, the chosen one for `chosen`.
fn world(timer: fn(&mut Timers) -> &mut u64, chosen: u64, rest: u64) -> World {
    let mut timers = Timers { opening: rest, established: rest, closing: rest, closed: rest };
    *timer(&mut timers) = chosen;
    World { timers, ..World::new(&[1, 1]) }
}

fn aged(client: Age, member: Age, opened: Age) -> Action {
    Action::Stamp(Stamping::Each { client, member, opened })
}

/// Nobody has sent for long; the members' entries are too young to be orphans.
fn silent() -> Action {
    aged(Age::Ancient, Age::Ancient, Age::Future)
}

const EXPIRED: &str = "connection_expired +1; entry_reaped +1; member 0: active -1; - A>";
const REAPED: &str = "entry_reaped +1; - A>";

#[test]
fn each_state_has_its_own_timer() {
    let cases = STATES.into_iter().flat_map(|(name, bring, timer, counted)| {
        let in_state = |what, world| {
            case(format!("{name}, {what}"))
                .world(world)
                .conns(&[A])
                .given(bring(&A))
                .given([silent()])
        };
        let gone = if counted { EXPIRED } else { REAPED };
        [
            in_state("its timer has run out", world(timer, SECOND, FOREVER)).sweeps(gone),
            in_state("only the others' timers have", world(timer, FOREVER, SECOND)).sweeps(""),
            in_state("no time at all", world(timer, 0, FOREVER)).sweeps(gone),
        ]
    });
    check(cases);
}

#[test]
fn either_direction_keeps_a_connection() {
    let established = |name: &str, client, member| {
        case(name).conns(&[A]).given(A.established()).given([aged(client, member, Age::Ancient)])
    };
    check([
        established("the client spoke", Age::Future, Age::Ancient).sweeps(""),
        established("the member spoke", Age::Ancient, Age::Future).sweeps(""),
        established("both spoke", Age::Future, Age::Future).sweeps(""),
    ]);
}

/// The client's entry went in an earlier sweep.
fn orphaned(name: &str) -> Case {
    case(name).conns(&[A, B]).given(A.established()).given([silent(), Action::Sweep])
}

#[test]
fn the_members_entry_follows() {
    let next = Conn { name: "N", member: 1, ..A };
    let spoke = |opened| aged(Age::Future, Age::Future, opened);
    check([
        orphaned("an old orphan").given([spoke(Age::Ancient)]).sweeps("entry_reaped +1; - A<"),
        orphaned("a young orphan may be a connection that is just opening")
            .given([spoke(Age::Future)])
            .sweeps(""),
        orphaned("the client has a new connection to another member")
            .conns(&[A, next])
            .given(next.opening())
            .given([spoke(Age::Ancient)])
            .sweeps("entry_reaped +1; - A<"),
        orphaned("other connections stay")
            .given(B.established())
            .given([spoke(Age::Ancient)])
            .sweeps("entry_reaped +1; - A<"),
    ]);
}

#[test]
fn nothing_is_left_in_the_end() {
    let both = A.established().into_iter().chain(B.opening());
    let expired = "connection_expired +2; entry_reaped +2;
        member 0: active -1; member 1: active -1; - A>; - B>";
    let all = |name: &str| case(name).conns(&[A, B]).given(both.clone());
    check([
        all("the clients' entries").given([silent()]).sweeps(expired),
        all("the members' entries")
            .given([silent(), Action::Sweep, aged(Age::Ancient, Age::Ancient, Age::Ancient)])
            .sweeps("entry_reaped +2; - A<; - B<"),
        all("nothing to do").given([aged(Age::Future, Age::Future, Age::Ancient)]).sweeps(""),
        all("a pool that is gone keeps nothing")
            .given([aged(Age::Future, Age::Future, Age::Future), Action::ForgetPool(POOL)])
            .sweeps(expired),
        case("an empty table").sweeps(""),
    ]);
}

#[test]
fn a_pool_that_is_gone_gives_no_time() {
    let past = aged(Age::Ancient, Age::Ancient, Age::Future);
    let long = World {
        timers: Timers {
            opening: FOREVER,
            established: FOREVER,
            closing: FOREVER,
            closed: FOREVER,
        },
        ..World::new(&[1])
    };
    check([case("all its connections expire")
        .world(long)
        .conns(&[A])
        .given(A.established())
        .given([past, Action::ForgetPool(POOL)])
        .sweeps(EXPIRED)]);
}
