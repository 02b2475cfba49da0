//! The reaper.

use lb_common::state::Timers;
use lb_tests::datapath::{Action, Age, Conn, POOL, Pair, Stamping, Tcp, World};

use super::case::{Case, case, check};
use super::{A, B, ahead, back};

/// Longer than any clock.
pub(crate) const FOREVER: u64 = 1 << 61;
const SECOND: u64 = 1_000_000_000;

/// The connection in each state that one timer rules, with that timer.
type State = (&'static str, fn(&Conn) -> Vec<Action>, fn(&mut Timers) -> &mut u64, Outcome);

/// What expiry does with it: what each end expects next and has sent, the client first, or nothing
/// but to forget it.
type Outcome = Option<[(u32, u32); 2]>;

const STATES: [State; 4] = [
    (
        "opening",
        |conn| conn.opening(),
        |timers| &mut timers.opening,
        Some([(0, 1_000_000), (1_000_000, 0)]),
    ),
    (
        "client done",
        |conn| half_closed(conn, conn.client("FA").action()),
        |timers| &mut timers.closing,
        Some([(2_000_000, 1_000_001), (1_000_000, 2_000_000)]),
    ),
    (
        "member done",
        |conn| half_closed(conn, conn.member("FA").action()),
        |timers| &mut timers.closing,
        Some([(2_000_000, 1_000_000), (1_000_000, 2_000_001)]),
    ),
    ("closed", |conn| conn.closed(), |timers| &mut timers.closed, None),
];

fn half_closed(conn: &Conn, last: Action) -> Vec<Action> {
    let mut all = conn.established();
    all.push(last);
    all
}

/// A world where every state lasts for `rest`, the chosen one for `chosen`.
fn world(timer: fn(&mut Timers) -> &mut u64, chosen: u64, rest: u64) -> World {
    let mut timers = all(rest);
    *timer(&mut timers) = chosen;
    World { timers, ..World::new(&[1, 1]) }
}

pub(crate) const fn all(time: u64) -> Timers {
    Timers { opening: time, client: time, server: time, closing: time, closed: time }
}

pub(crate) fn aged(client: Age, member: Age, opened: Age) -> Action {
    Action::Stamp(Stamping::Each { client, member, opened })
}

/// Nobody has sent for long; the members' entries are too young to be orphans.
pub(crate) fn silent() -> Action {
    aged(Age::Ancient, Age::Ancient, Age::Future)
}

/// The RSTs that end a connection, as they come in on the VIP's device: to the client and to the
/// member, each with what that end expects next and has sent.
pub(crate) fn resets(conn: &Conn, client: (u32, u32), member: (u32, u32)) -> [Tcp; 2] {
    let reset = |pair: Pair, (seq, ack)| pair.input.seq(seq).ack(ack).window(0).id(0);
    [reset(conn.member("RA"), client), reset(conn.client("RA"), member)]
}

const EXPIRED: &str = "connection_expired +1; reset_sent +2; member 0: active -1; ~ A>: expired";
/// The RSTs that end an established connection on which nothing was sent.
pub(crate) fn tell(conn: &Conn) -> [Tcp; 2] {
    resets(conn, (2_000_000, 1_000_000), (1_000_000, 2_000_000))
}

const REAPED: &str = "entry_reaped +1; - A>";

#[test]
fn each_state_has_its_own_timer() {
    let cases = STATES.into_iter().flat_map(|(name, bring, timer, outcome)| {
        let in_state = |what, world| {
            // Only an opening has to be complete in time, whoever speaks.
            let opened = if name == "opening" { Age::Ancient } else { Age::Future };
            let silence = aged(Age::Ancient, Age::Ancient, opened);
            let name = format!("{name}, {what}");
            case(name).world(world).conns(&[A]).given(bring(&A)).given([silence])
        };
        let gone = if outcome.is_some() { EXPIRED } else { REAPED };
        let sent = || outcome.into_iter().flat_map(|[client, member]| resets(&A, client, member));
        [
            in_state("its timer has run out", world(timer, SECOND, FOREVER))
                .sweeps(gone)
                .and_sends(sent()),
            in_state("only the others' timers have", world(timer, FOREVER, SECOND)).sweeps(""),
            in_state("no time at all", world(timer, 0, FOREVER)).sweeps(gone).and_sends(sent()),
        ]
    });
    check(cases);
}

/// Data crosses both sides, so the side with the shorter timer ends an idle connection.
#[test]
fn each_side_has_its_own_timer() {
    let established = |name: &str, client, server| {
        let timers = Timers { client, server, ..all(SECOND) };
        let world = World { timers, ..World::new(&[1, 1]) };
        case(name).world(world).conns(&[A]).given(A.established()).given([silent()])
    };
    let server = format!("{EXPIRED} server_idle");
    check([
        established("the client's", SECOND, FOREVER).sweeps(EXPIRED).and_sends(tell(&A)),
        established("the member's", FOREVER, SECOND).sweeps(server).and_sends(tell(&A)),
        established("both the same", SECOND, SECOND).sweeps(EXPIRED).and_sends(tell(&A)),
        established("neither", FOREVER, FOREVER).sweeps(""),
    ]);
}

#[test]
fn only_news_counts_as_life_unless_the_pool_says_otherwise() {
    let busy = |name: &str, keepalive_counts| {
        let world = World { keepalive_counts, ..World::new(&[1, 1]) };
        let given = [Action::Stamp(Stamping::Idle)];
        case(name).world(world).conns(&[A]).given(A.established()).given(given)
    };
    check([
        busy("keepalives only", false).sweeps(EXPIRED).and_sends(tell(&A)),
        busy("keepalives that count", true).sweeps(""),
    ]);
}

/// What is no news in a segment leaves the idle time as it is.
#[test]
fn keepalives_and_retransmissions_are_no_news() {
    let established = |name: &str| case(name).conns(&[A]).given(A.established());
    let seq = |pair: Pair, seq| pair.with(|tcp| tcp.seq(seq));
    let garbage = A.client("A").with(|tcp| tcp.seq(999_999).payload(b"x"));
    let data = || A.client("PA").with(|tcp| tcp.payload(b"abc"));
    let carried = |bytes, payload| {
        format!(
            "forward_to_member +1; member 0: packets_in +1 bytes_in +{bytes};
             ~ A>: seen payload +{payload}"
        )
    };
    check([
        established("a keepalive").sends(&seq(A.client("A"), 999_999), ahead(&A, 0)),
        established("a keepalive with a byte of garbage").sends(&garbage, carried(1, 1)),
        established("the answer").sends(&A.member("A"), back(&A, 0)),
        established("data once more").given([data().action()]).sends(&data(), carried(3, 3)),
        established("an acknowledgement of data").given([data().action()]).sends(
            &A.member("A").with(|tcp| tcp.ack(1_000_003)),
            "forward_to_client +1; member 0: packets_out +1; ~ A<: seen news acked +3",
        ),
    ]);
}

/// A connection that ended with a RST has no late segments to wait for.
#[test]
fn a_reset_connection_is_soon_forgotten() {
    let timers = all(FOREVER);
    let reset = |name: &str, client, member| {
        case(name)
            .world(World { timers, ..World::new(&[1, 1]) })
            .conns(&[A])
            .given(half_closed(&A, A.member("R").action()))
            .given([aged(client, member, Age::Future)])
    };
    check([
        reset("nobody sends", Age::Ancient, Age::Ancient).sweeps(REAPED),
        reset("the client still sends", Age::Future, Age::Ancient).sweeps(""),
        reset("the member still sends", Age::Ancient, Age::Future).sweeps(""),
    ]);
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

/// Two sweeps: one ends the connections, one removes the clients' entries.
fn forgotten() -> [Action; 4] {
    [silent(), Action::Sweep, silent(), Action::Sweep]
}

/// The client's entry went in an earlier sweep.
fn orphaned(name: &str) -> Case {
    case(name).conns(&[A, B]).given(A.established()).given(forgotten())
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
            .given(next.established())
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
    let ancient = || aged(Age::Ancient, Age::Ancient, Age::Ancient);
    let all = |name: &str| case(name).conns(&[A, B]).given(both.clone());
    let members = [ancient(), Action::Sweep, silent(), Action::Sweep, ancient()];
    check([
        all("the clients' entries")
            .given([ancient(), Action::Sweep, silent()])
            .sweeps("entry_reaped +2; - A>; - B>"),
        all("the members' entries").given(members).sweeps("entry_reaped +2; - A<; - B<"),
        all("nothing to do").given([aged(Age::Future, Age::Future, Age::Future)]).sweeps(""),
        case("an empty table").sweeps(""),
    ]);
}

#[test]
fn a_pool_that_is_gone_gives_no_time() {
    let future = || aged(Age::Future, Age::Future, Age::Future);
    let world = || World { timers: all(FOREVER), ..World::new(&[1]) };
    let gone = |name: &str| {
        case(name)
            .world(world())
            .conns(&[A])
            .given(A.established())
            .given([future(), Action::ForgetPool(POOL)])
    };
    check([
        gone("all its connections expire").sweeps(EXPIRED).and_sends(tell(&A)),
        gone("and are forgotten").given([Action::Sweep, future()]).sweeps(REAPED),
    ]);
}

/// The client takes the RST whatever the member's numbers are, even if it has acknowledged nothing
/// or its acknowledgement was lost.
#[test]
fn the_reset_of_an_idle_connection_is_what_each_end_expects() {
    for start in [0, 1 << 24, 1 << 31, 4_032_206_445, u32::MAX] {
        let next = start.wrapping_add(1);
        let world = World { timers: all(SECOND), ..World::new(&[1, 1]) };
        let answered = [A.client("S").action(), A.member("SA").with(|tcp| tcp.seq(start)).action()];
        let acknowledged = A.client("A").with(|tcp| tcp.ack(next)).action();
        let silence = || aged(Age::Ancient, Age::Ancient, Age::Ancient);
        let expect = |name: &str, given: Vec<Action>| {
            let case = case(format!("{name}, from {start}")).world(world.clone()).conns(&[A]);
            let case = case.given(given).given([silence()]).sweeps(EXPIRED);
            case.and_sends(resets(&A, (next, 1_000_000), (1_000_000, next)))
        };
        let mut complete = answered.to_vec();
        complete.push(acknowledged);
        check([expect("established", complete), expect("half open", answered.to_vec())]);
    }
}
