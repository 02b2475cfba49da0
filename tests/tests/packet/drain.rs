//! Members that are to have no connections any more.

use lb_common::state::{DrainCause, End, Happening, NOBODY, PhaseBits};
use lb_common::wire::ipv4::TCP;
use lb_tests::datapath::{
    Action, Age, Conn, Datapath as _, Heard, Kernel, LISTENER, POOL, Stamping, World, member,
};
use lb_userspace::datapath::Ending;

use super::case::{Case, case, check};
use super::expiry::{FOREVER, all, resets, tell};
use super::{A, B, ahead, back, opens};

const CAUSES: [(DrainCause, &str, &str); 2] = [
    (DrainCause::Timeout, "connection_drained", "drained"),
    (DrainCause::MarkedDown, "connection_marked_down", "marked_down"),
];

/// A world where no timer runs out.
fn patient() -> World {
    World { timers: all(FOREVER), ..World::new(&[1, 1]) }
}

fn opened(opened: Age) -> Action {
    Action::Stamp(Stamping::Each { client: Age::Future, member: Age::Future, opened })
}

const fn over(member: u32, cause: DrainCause) -> Action {
    Action::Drain(member, Some((Age::Ancient, cause)))
}

/// Both members have a connection, long opened.
fn held(name: impl Into<String>) -> Case {
    let both = A.established().into_iter().chain(B.established());
    case(name).world(patient()).conns(&[A, B]).given(both).given([opened(Age::Ancient)])
}

#[test]
fn when_the_time_is_over_both_ends_are_reset_and_other_members_keep_theirs() {
    check(CAUSES.into_iter().map(|(cause, counter, fact)| {
        let delta = format!("{counter} +1; reset_sent +2; member 0: active -1; ~ A>: {fact}");
        held(fact).given([over(0, cause)]).sweeps(delta).and_sends(tell(&A))
    }));
}

#[test]
fn before_that_connections_go_on() {
    let all = CAUSES.into_iter().flat_map(|(cause, _, fact)| {
        let draining = Action::Drain(0, Some((Age::Future, cause)));
        let held = |what: &str| held(format!("{fact}: {what}")).given([draining.clone()]);
        [
            held("a sweep").sweeps(""),
            held("the client sends").sends(&A.client("A"), ahead(&A, 0)),
            held("the member sends").sends(&A.member("A"), back(&A, 0)),
        ]
    });
    check(all);
}

#[test]
fn a_drain_that_is_taken_back_ends_nothing() {
    let back = [over(0, DrainCause::Timeout), Action::Drain(0, None)];
    check([held("taken back").given(back).sweeps("")]);
}

/// Persistence wins over a weight of 0; and a member may be back.
#[test]
fn connections_opened_later_go_on() {
    let later = case("opened later")
        .world(patient())
        .conns(&[A])
        .given([over(0, DrainCause::Timeout)])
        .given(A.established());
    check([
        later.sweeps(""),
        case("a connection opens")
            .world(patient())
            .conns(&[A])
            .given([over(0, DrainCause::Timeout)])
            .sends(&A.client("S"), opens(&A)),
    ]);
}

/// What is left of a connection is reset in whatever state it is, each end with the numbers it takes.
#[test]
fn every_state_is_ended() {
    let (cause, ..) = CAUSES[0];
    let ended = "connection_drained +1; reset_sent +2; member 0: active -1; ~ A>: drained";
    let state = |name: &str, actions: Vec<Action>, client, member| {
        let case = case(name).world(patient()).conns(&[A]).given(actions);
        let case = case.given([opened(Age::Ancient), over(0, cause)]);
        case.sweeps(ended).and_sends(resets(&A, client, member))
    };
    let half = |last| [A.established(), vec![last]].concat();
    check([
        state("opening", A.opening(), (0, 1_000_000), (1_000_000, 0)),
        state(
            "client done",
            half(A.client("FA").action()),
            (2_000_000, 1_000_001),
            (1_000_000, 2_000_000),
        ),
        state(
            "member done",
            half(A.member("FA").action()),
            (2_000_000, 1_000_000),
            (1_000_000, 2_000_001),
        ),
    ]);
}

#[test]
fn what_is_over_does_not_end_again() {
    let closed = |name: &str, actions: Vec<Action>| {
        let case = case(name).world(patient()).conns(&[A]).given(actions);
        case.given([opened(Age::Ancient), over(0, DrainCause::MarkedDown)])
    };
    check([closed("both closed", A.closed()).sweeps("")]);
}

/// It also comes before a timer that has run out.
#[test]
fn the_cause_is_told() {
    for (cause, ..) in CAUSES {
        let (end, fact) = match cause {
            DrainCause::Timeout => (End::Drained, PhaseBits::DRAINED),
            DrainCause::MarkedDown => (End::MarkedDown, PhaseBits::MARKED_DOWN),
        };
        let mut kernel = Kernel::load(64).unwrap();
        kernel.listen().unwrap();
        kernel.act(&World::new(&[1]).install()).unwrap();
        for action in A.established() {
            kernel.act(&action).unwrap();
        }
        kernel.heard();
        let ancient =
            Stamping::Each { client: Age::Ancient, member: Age::Ancient, opened: Age::Ancient };
        for action in [Action::Stamp(ancient), over(0, cause), Action::Sweep] {
            kernel.act(&action).unwrap();
        }
        let facts = PhaseBits::ACCEPTED.with(PhaseBits::COMPLETED).with(fact);
        let Conn { client, .. } = A;
        let close = Heard {
            kind: Happening::Close.number(),
            reason: end.number(),
            facts,
            protocol: TCP,
            pool: POOL,
            member: 0,
            previous: NOBODY,
            client: (client.into(), LISTENER.into()),
            nat: (A.vip().into(), member(0).into()),
            bytes_in: 0,
            bytes_out: 0,
            times: (Age::Now, Age::Ancient, Some(Age::Now)),
        };
        assert_eq!(kernel.heard(), [close]);
    }
}

/// What the controller asks for becomes what the datapath does, and a newcomer to an index has
/// nothing of its predecessor's.
#[test]
fn an_installation_drains_and_releases() {
    let mut kernel = Kernel::load(64).unwrap();
    let mut install = |endings: &[(u32, Ending)], newcomers: &[u32]| {
        let mut target = patient().target();
        (target.endings, target.newcomers) = (endings.to_vec(), newcomers.to_vec());
        kernel.act(&Action::Install(POOL, Box::new(target))).unwrap();
        [0, 1].map(|index| kernel.maps().drain(index).unwrap())
    };
    let hour = 3_600_000_000_000;
    assert_eq!(install(&[(0, Ending::GoesOn), (1, Ending::GoesOn)], &[0, 1]), [None, None]);
    let [first, second] = install(&[(0, Ending::Within(hour)), (1, Ending::Now)], &[]);
    let (end, cause) = first.unwrap();
    assert_eq!(cause, DrainCause::Timeout);
    let (now, down) = second.unwrap();
    assert_eq!(down, DrainCause::MarkedDown);
    assert!(end > now && end < now + hour, "{end} {now}");

    let again = install(&[(0, Ending::Within(hour)), (1, Ending::GoesOn)], &[]);
    assert_eq!(again[0], Some((end, cause)), "the time began with the first");
    assert_eq!(again[1].map(|(_, cause)| cause), Some(down), "who was there ends");
    assert_eq!(install(&[(0, Ending::GoesOn)], &[])[0], None);
    assert_eq!(install(&[], &[0, 1]), [None, None]);
}
