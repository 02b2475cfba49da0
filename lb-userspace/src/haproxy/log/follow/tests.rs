use lb_common::addr::Tuple;
use lb_common::be::Be16;
use lb_common::state::{LAYOUT_VERSION, NOBODY};
use lb_common::verdict::RefuseReason;

use super::*;
use crate::config::yaml;
use crate::haproxy::desk::Active;
use crate::registry::{MemberRecord, Past, Record};

const POOL: &str = "pools:\n- id: pool\n  protocol: TCP\n  lb_method: ROUND_ROBIN\n  \
                    vip: {id: vip, address: 10.0.0.250, port: 22}\n";

fn served() -> Served {
    let member = |index: u32| MemberRecord {
        index,
        id: format!("m{}", index + 1),
        endpoint: ([10, 0, 0, 2], 22).into(),
        removed: false,
        forced: false,
        down: false,
        up: true,
        up_since: None,
        share: 16,
        incarnation: 0,
    };
    let record = Record {
        layout: LAYOUT_VERSION,
        index: 0,
        since: 0,
        pool: POOL.to_owned(),
        namespace: String::new(),
        netns: 1,
        device: "tap".into(),
        ifindex: 1,
        hook: None,
        xdp: false,
        outer: None,
        shared: false,
        zone: 0,
        ports: (1024, 65535),
        past: Past::default(),
        members: vec![member(0), member(1)],
    };
    let pool = yaml::parse("pool", POOL).unwrap().remove(0);
    Served { record, pool }
}

fn event(happening: Happening, port: u16, member: u32) -> Event {
    let client = Tuple {
        src: std::net::Ipv4Addr::new(10, 0, 0, 1).into(),
        sport: Be16::new(port),
        ..Tuple::default()
    };
    let kind = happening.number();
    Event {
        kind,
        member,
        client,
        previous: NOBODY,
        opened: 5_000_000,
        at: 1_507_000_000,
        ..Event::default()
    }
}

fn close(port: u16, member: u32, facts: PhaseBits) -> Event {
    let reason = End::of(facts).number();
    Event { facts, reason, bytes_out: 7, ..event(Happening::Close, port, member) }
}

/// Follows one go of events behind which so many connections are left. Tells lines as server, connect, total, state,
/// counts and retries.
fn told(follower: &mut Follower, events: &[Event], left: [u64; 2]) -> Vec<String> {
    let active = [(0, left[0]), (1, left[1])].into_iter().collect();
    follower.counts.begin(events, Active(active), true);
    let clocks = Clocks { monotonic: Duration::from_secs(2), real: Duration::from_secs(100) };
    let served = served();
    let lines = events.iter().filter_map(|event| follower.follow(&served, event, clocks).0);
    let line = |line: Ended| {
        assert_eq!(line.accepted, Duration::from_millis(98_005));
        assert_eq!((line.frontend.as_str(), line.backend.as_str()), ("vip", "pool"));
        format!(
            "{} {:?} {} {} {}/{}/{} {}",
            line.server.as_deref().unwrap_or("<NOSRV>"),
            line.connect_ms,
            line.total_ms,
            line.state,
            line.frontend_connections,
            line.backend_connections,
            line.server_connections,
            line.retries
        )
    };
    lines.map(line).collect()
}

const WHOLE: PhaseBits = PhaseBits::ACCEPTED.with(PhaseBits::COMPLETED);
const FINS: PhaseBits = WHOLE.with(PhaseBits::CLIENT_FIN).with(PhaseBits::MEMBER_FIN);

#[test]
fn counts_are_those_at_the_moment_of_each_event() {
    let mut follower = Follower::default();
    let accepted = |event: Event| Event { accepted: 9_000_000, ..event };
    let go = [
        event(Happening::Open, 1, 0),
        event(Happening::Open, 2, 1),
        accepted(close(1, 0, FINS)),
        event(Happening::Open, 3, 0),
        accepted(close(2, 1, FINS)),
    ];
    let lines = told(&mut follower, &go, [1, 0]);
    assert_eq!(lines, ["m1 Some(4) 1502 -- 2/1/0 0", "m2 Some(4) 1502 -- 2/1/0 0"]);
}

#[test]
fn retries_are_the_members_that_had_it_before() {
    let mut follower = Follower::default();
    let moved = Event { previous: 0, ..event(Happening::Redispatch, 1, 1) };
    assert_eq!(told(&mut follower, &[event(Happening::Open, 1, 0), moved], [0, 1]), [""; 0]);
    let refused = close(1, 1, PhaseBits::MEMBER_RST);
    assert_eq!(told(&mut follower, &[refused], [0, 0]), ["m2 None 1502 SC 1/0/0 1"]);
    let again = [event(Happening::Open, 1, 0), close(1, 0, PhaseBits::MEMBER_RST)];
    assert_eq!(told(&mut follower, &again, [0, 0]), ["m1 None 1502 SC 1/0/0 0"]);
}

#[test]
fn who_never_completes_the_handshake_has_no_line() {
    let mut follower = Follower::default();
    let expired = PhaseBits::EXPIRED;
    let half = PhaseBits::ACCEPTED.with(expired);
    for (facts, state) in [
        (half, None),
        (PhaseBits::ACCEPTED.with(PhaseBits::CLIENT_RST), None),
        (PhaseBits::CROWDED_OUT, None),
        (PhaseBits::ABANDONED, None),
        (expired, Some("sC")),
        (PhaseBits::CLIENT_RST, Some("CC")),
        (WHOLE.with(expired), Some("cD")),
        (WHOLE.with(expired).with(PhaseBits::SERVER_IDLE), Some("sD")),
        (WHOLE.with(PhaseBits::MEMBER_RST), Some("SD")),
    ] {
        let lines = told(&mut follower, &[close(1, 0, facts)], [0, 0]);
        let states: Vec<&str> = lines.iter().filter_map(|line| line.split(' ').nth(3)).collect();
        assert_eq!(states, Vec::from_iter(state), "{facts:?}");
    }
    let refuse = Event {
        opened: 5_000_000,
        at: 5_000_000,
        reason: RefuseReason::NoMember.number(),
        ..event(Happening::Refuse, 1, NOBODY)
    };
    assert_eq!(told(&mut follower, &[refuse], [3, 0]), ["<NOSRV> None 0 SC 4/3/0 0"]);
}

#[test]
fn ends_are_counted_as_haproxy_counts_them() {
    for (event, expected) in [
        (close(1, 0, FINS), Outcome::Nothing),
        (close(1, 0, PhaseBits::MEMBER_RST), Outcome::Failed(0)),
        (close(1, 1, WHOLE.with(PhaseBits::CLIENT_RST)), Outcome::ClientAbort(1)),
        (close(1, 1, WHOLE.with(PhaseBits::EXPIRED)), Outcome::ClientAbort(1)),
        (close(1, 1, WHOLE.with(PhaseBits::MEMBER_RST)), Outcome::ServerError(1)),
        (
            close(1, 0, WHOLE.with(PhaseBits::EXPIRED).with(PhaseBits::SERVER_IDLE)),
            Outcome::ServerSilent(0),
        ),
    ] {
        assert_eq!(outcome(&event), expected, "{event:?}");
    }
}
