//! What a listener hears.

use lb_common::state::{EVENT_RING, End, Event, Happening, NOBODY, PhaseBits};
use lb_common::verdict::RefuseReason;
use lb_tests::datapath::{
    Action, Age, CLIENT_SEQ, Conn, Datapath as _, Heard, Kernel, LISTENER, MEMBER_SEQ, POOL, Pair,
    Stamping, World, member,
};

use super::{A, B};

/// A datapath with a listener, in which all of this has happened; what was heard of the last action.
fn last(world: &World, actions: &[Action]) -> Vec<Heard> {
    let mut kernel = Kernel::load(world.max_flows).unwrap();
    kernel.listen().unwrap();
    kernel.act(&world.install()).unwrap();
    let (last, before) = actions.split_last().unwrap();
    for action in before {
        kernel.act(action).unwrap();
    }
    kernel.heard();
    kernel.act(last).unwrap();
    kernel.heard()
}

fn pool() -> World {
    World::new(&[1, 1])
}

fn heard(conn: &Conn, happening: Happening, reason: u32, facts: &[PhaseBits]) -> Heard {
    let facts = facts.iter().fold(PhaseBits::NONE, |all, fact| all.with(*fact));
    Heard {
        protocol: conn.protocol,
        kind: happening.number(),
        reason,
        facts,
        pool: POOL,
        member: conn.member,
        previous: NOBODY,
        client: (conn.client.into(), LISTENER.into()),
        nat: (conn.vip().into(), member(conn.member).into()),
        bytes_in: 0,
        bytes_out: 0,
        times: (Age::Now, Age::Now, facts.contains(PhaseBits::ACCEPTED).then_some(Age::Now)),
    }
}

const ACCEPTED: PhaseBits = PhaseBits::ACCEPTED;
const COMPLETED: PhaseBits = PhaseBits::COMPLETED;
const CLIENT_FIN: PhaseBits = PhaseBits::CLIENT_FIN;
const MEMBER_FIN: PhaseBits = PhaseBits::MEMBER_FIN;

#[test]
fn a_connection_opens() {
    let open = heard(&A, Happening::Open, 0, &[]);
    assert_eq!(last(&pool(), &A.opening()), [open]);
    assert_eq!(last(&pool(), &A.established()), [], "only the SYN opens it");
}

#[test]
fn a_connection_ends_once_and_the_end_is_named() {
    let established = |rest: &[Action]| [A.established(), rest.to_vec()].concat();
    let [client_fin, member_fin] = [A.client("FA").action(), A.member("FA").action()];
    let close = |end: End, facts: &[PhaseBits]| {
        heard(&A, Happening::Close, end.number(), &[&[ACCEPTED, COMPLETED], facts].concat())
    };
    let both = [client_fin.clone(), member_fin.clone()];
    let end = close(End::ClientFin, &[CLIENT_FIN, MEMBER_FIN, PhaseBits::CROSSED]);
    assert_eq!(last(&pool(), &established(&both)), [end]);
    let end = close(End::ClientFin, &[CLIENT_FIN, MEMBER_FIN]);
    assert_eq!(last(&pool(), &A.closed()), [end]);
    let both = [member_fin.clone(), client_fin.clone()];
    let end = close(End::MemberFin, &[CLIENT_FIN, MEMBER_FIN, PhaseBits::MEMBER_FIRST]);
    assert_eq!(last(&pool(), &established(&both)), [end]);
    let end = close(End::ClientReset, &[PhaseBits::CLIENT_RST]);
    assert_eq!(last(&pool(), &established(&[A.client("R").action()])), [end]);
    let end = close(End::MemberReset, &[PhaseBits::MEMBER_RST]);
    assert_eq!(last(&pool(), &established(&[A.member("R").action()])), [end]);

    assert_eq!(
        last(&pool(), &established(std::slice::from_ref(&client_fin))),
        [],
        "one end has more to say"
    );
    let again = [client_fin, member_fin, A.client("R").action()];
    assert_eq!(last(&pool(), &established(&again)), [], "over already");
}

#[test]
fn a_refusal_of_the_member_is_no_accepted_connection() {
    let actions = [A.opening(), vec![A.member("RA").action()]].concat();
    let end = End::MemberReset.number();
    let close = heard(&A, Happening::Close, end, &[PhaseBits::MEMBER_RST]);
    assert_eq!(last(&World::new(&[1]), &actions), [close], "there is no other member");
}

#[test]
fn payload_is_told_each_way() {
    let say = |pair: Pair, seq: u32, bytes: &'static [u8]| {
        pair.with(|tcp| tcp.seq(seq).payload(bytes)).action()
    };
    let talk = [
        say(A.client("PA"), CLIENT_SEQ, b"question"),
        say(A.member("PA"), MEMBER_SEQ, b"answer"),
        say(A.client("FA"), CLIENT_SEQ + 8, b"bye"),
        say(A.member("FA"), MEMBER_SEQ + 6, b""),
    ];
    let events = last(&pool(), &[A.established(), talk.to_vec()].concat());
    assert_eq!(events.iter().map(|e| (e.bytes_in, e.bytes_out)).collect::<Vec<_>>(), [(11, 6)]);
}

#[test]
fn a_timer_runs_out() {
    let world = pool();
    let ancient =
        Stamping::Each { client: Age::Ancient, member: Age::Ancient, opened: Age::Ancient };
    let sweep = [Action::Stamp(ancient), Action::Sweep];
    let facts = [ACCEPTED, COMPLETED, PhaseBits::EXPIRED];
    let close = heard(&A, Happening::Close, End::Expired.number(), &facts);
    let close = Heard { times: (Age::Now, Age::Ancient, Some(Age::Now)), ..close };
    assert_eq!(last(&world, &[A.established(), sweep.to_vec()].concat()), [close]);
    let over = [A.closed(), sweep.to_vec()].concat();
    assert_eq!(last(&world, &over), [], "what is over does not end again");
}

#[test]
fn a_new_connection_takes_the_port_of_one_that_is_ending() {
    let next = Conn { member: 1, ..A };
    let actions = [A.opening(), vec![A.client("FA").action(), next.client("S").action()]];
    let facts = [CLIENT_FIN, PhaseBits::SUPERSEDED];
    let close = heard(&A, Happening::Close, End::Superseded.number(), &facts);
    let open = heard(&next, Happening::Open, 0, &[]);
    assert_eq!(last(&pool(), &actions.concat()), [close, open]);
}

#[test]
fn a_refusal_tells_why() {
    let refused = |reason: RefuseReason| Heard {
        member: NOBODY,
        nat: (super::NOWHERE, super::NOWHERE),
        ..heard(&B, Happening::Refuse, reason.number(), &[])
    };
    let syn = [B.client("S").action()];
    let nobody = World::new(&[]);
    assert_eq!(last(&nobody, &syn), [refused(RefuseReason::NoMember)]);
    let down = World { enabled: false, ..pool() };
    assert_eq!(last(&down, &syn), [refused(RefuseReason::Disabled)]);
    let elsewhere = Conn { client: member(7), ..B };
    let other = lb_tests::datapath::Tcp::new(elsewhere.client, member(6), "S").frame();
    assert_eq!(last(&pool(), &[Action::Frame(other)]), [], "not to a listener");
}

/// A listener that sleeps costs events, which are counted, and nothing else.
#[test]
fn events_that_find_no_room_are_counted() {
    /// Bytes in front of each record of a ring (linux/bpf.h, `BPF_RINGBUF_HDR_SZ`).
    const HEADER: usize = 8;
    let room = EVENT_RING as usize / (size_of::<Event>() + HEADER);
    let mut kernel = Kernel::load(64).unwrap();
    kernel.listen().unwrap();
    kernel.act(&World::new(&[]).install()).unwrap();
    let count = |kernel: &Kernel, name: &str| {
        let counters = kernel.snapshot().unwrap().counters;
        counters.iter().find(|counter| counter.0 == name).unwrap().1
    };
    let more = 100;
    for _ in 0..room + more {
        kernel.act(&A.client("S").action()).unwrap();
    }
    let lost = count(&kernel, "event_lost") as usize;
    assert_eq!(count(&kernel, "refuse_no_member") as usize, room + more);
    let told = kernel.heard().len();
    assert_eq!(told + lost, room + more);
    // The kernel keeps a word of the ring free.
    assert!((more..=more + 1).contains(&lost), "{lost} were lost");

    kernel.act(&A.client("S").action()).unwrap();
    assert_eq!(kernel.heard().len(), 1, "there is room again");
}

#[test]
fn a_flow_of_datagrams_opens_and_moves() {
    let flow = Conn::udp("A", 101, 25_000, 25_000, 0);
    let world = World::udp(&[1, 1]);
    let open = heard(&flow, Happening::Open, 0, &[]);
    let query = flow.asks(b"query").action();
    assert_eq!(last(&world, std::slice::from_ref(&query)), [open]);
    let answer = flow.answers(b"answer").action();
    assert_eq!(last(&world, &[query.clone(), answer.clone()]), [], "an answer opens nothing");

    let rest = World { members: vec![(1, 1)], newcomers: Vec::new(), ..world.clone() };
    let moved = heard(&Conn { member: 1, ..flow }, Happening::Redispatch, 0, &[]);
    let moved = Heard { previous: 0, bytes_in: 5, ..moved };
    assert_eq!(last(&world, &[query.clone(), answer, rest.install(), query]), [moved]);
}
