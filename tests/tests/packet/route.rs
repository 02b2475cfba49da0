//! What is said about a connection before it opens. That it then happens is checked with every SYN of the
//! other files ([`super::case`]), too.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::SocketAddrV4;

use lb_common::addr::Addr;
use lb_common::counter;
use lb_common::route::{Answer, Choice, Lost};
use lb_common::state::{Method, NOBODY, Overflow, Persistence};
use lb_tests::datapath::{
    Act, Action, Age, Conn, Datapath as _, Family, Kernel, LISTENER, METHODS, Tcp, World,
    disagreement, member,
};

use super::{A, B};

/// A question: what was before, who asks, and the answer in words.
#[derive(Clone)]
struct Row {
    name: String,
    world: World,
    given: Vec<Action>,
    src: SocketAddrV4,
    dst: SocketAddrV4,
    answer: String,
}

fn row(name: impl Into<String>, world: World, src: SocketAddrV4, answer: impl Into<String>) -> Row {
    let (name, answer) = (name.into(), answer.into());
    Row { name, world, given: Vec::new(), src, dst: LISTENER, answer }
}

impl Row {
    fn given(self, actions: impl IntoIterator<Item = Action>) -> Self {
        Self { given: actions.into_iter().collect(), ..self }
    }

    fn to(self, dst: SocketAddrV4) -> Self {
        Self { dst, ..self }
    }
}

/// The answer as one line; `from` is the port that the member would see.
fn words(answer: &Answer) -> String {
    let outcome = counter::all().find(|(number, ..)| *number == answer.outcome).unwrap().1;
    let lost = |number| Lost::ALL.iter().find(|lost| lost.number() == number).unwrap().name();
    let mut text = outcome.to_owned();
    if let Some(choice) = Choice::ALL.iter().find(|choice| choice.number() == answer.choice) {
        let Answer { member, outgoing, .. } = answer;
        write!(text, ", {} {member} from {}", choice.name(), outgoing.sport.get()).unwrap();
    }
    if answer.kept != NOBODY {
        write!(text, ", kept on {} {}", answer.kept, lost(answer.kept_lost)).unwrap();
    }
    if answer.due != NOBODY {
        write!(text, ", due {} {}", answer.due, lost(answer.due_lost)).unwrap();
    }
    if answer.replaces != 0 {
        text.push_str(", replaces");
    }
    text
}

/// Asks every row's question, which must change nothing, and opens the connection: the member is then the one
/// that was named.
#[track_caller]
fn check(rows: impl IntoIterator<Item = Row>) {
    let mut wrong = Vec::new();
    let mut kernels = HashMap::new();
    let told = rows.into_iter().flat_map(|row| Family::ALL.map(|family| (row.clone(), family)));
    for (Row { name, world, given, src, dst, answer }, family) in told {
        let name = format!("{name} in {family:?}");
        let room = world.max_flows;
        let kernel = kernels.entry(room).or_insert_with(|| Kernel::load(room).unwrap());
        kernel.clear().unwrap();
        kernel.act(&family.action(&world.install())).unwrap();
        for action in &given {
            if let Some(ran) = kernel.act(&family.action(action)).unwrap() {
                assert_eq!(ran.act, Act::Send, "{name}");
            }
        }
        let before = (kernel.dump().unwrap(), kernel.snapshot().unwrap());
        let said = kernel.route(family.end(src), family.end(dst), world.protocol).unwrap();
        assert_eq!(kernel.dump().unwrap(), before.0, "{name}: asking has changed something");
        assert_eq!(kernel.heard(), [], "{name}");
        if words(&said) != answer {
            wrong.push(format!("{name}: {}\n  not {answer}", words(&said)));
        }
        let syn = Tcp::new(src, dst, "S").frame();
        kernel.act(&family.action(&Action::Frame(syn))).unwrap();
        let after = kernel.snapshot().unwrap();
        if dst == LISTENER {
            let wrongly = disagreement(&said, (family.end(src), world.protocol), &before.1, &after);
            wrong.extend(wrongly.map(|words| format!("{name}: {words}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn world(method: Method, weights: &[u32]) -> World {
    World { method, ..World::new(weights) }
}

/// The clients of the two: 10.0.0.100 has the first member by its address, 10.0.0.101 the second.
fn client(number: u8) -> Conn {
    let port = 25_000 + u16::from(number);
    Conn::new("C", number, port, port, 0)
}

fn sticky(weights: &[u32]) -> World {
    let persistence = Persistence { timeout: 0, mask: Addr::mask(Addr::BITS), enabled: 1 };
    World { persistence, ..World::new(weights) }
}

#[test]
fn the_methods_choice() {
    let names = [0, 1, 2].map(|number| client(100 + number).client);
    check(METHODS.into_iter().flat_map(|method| {
        let only = |name: &str, weights: &[u32], member| {
            row(
                format!("{method:?}, {name}"),
                world(method, weights),
                names[0],
                format!("forward_to_member, method {member} from 25100"),
            )
        };
        [only("the first of idle members", &[1, 0], 0), only("the other", &[0, 1], 1)]
    }));
    let next = |method, src: SocketAddrV4, given: Vec<Action>, member| {
        let port = src.port();
        let answer = format!("forward_to_member, method {member} from {port}");
        row(format!("{method:?} once more"), world(method, &[1, 1]), src, answer).given(given)
    };
    let first = || vec![client(100).client("S").action()];
    check([
        next(Method::RoundRobin, names[1], first(), 1),
        next(Method::LeastConn, names[1], first(), 1),
        next(Method::SourceIp, names[1], first(), 1),
        next(Method::SourceIp, names[2], first(), 0),
        next(Method::LeastResponseTime, names[1], first(), 1),
    ]);
}

#[test]
fn a_member_that_is_full_or_ejected_is_named() {
    let out = |member| Action::Eject(member, Age::Future);
    let full = |method| World { limits: [(0, 1)].into(), ..world(method, &[1, 1]) };
    let src = client(102).client;
    let next = "forward_to_member, next 1 from 25102, due 0";
    let ejected = |method| {
        let name = format!("{method:?}, ejected");
        row(name, world(method, &[1, 1]), src, format!("{next} ejected")).given([out(0)])
    };
    let overflows = |method, given: &[Conn]| {
        let given = given.iter().map(|conn| conn.client("S").action());
        let name = format!("{method:?}, full");
        row(name, full(method), src, format!("{next} full")).given(given)
    };
    let both = |method| {
        let answer = "forward_to_member, last_resort 0 from 25102, due 0 ejected".to_owned();
        row(format!("{method:?}, all"), world(method, &[1]), src, answer).given([out(0)])
    };
    check(
        [Method::RoundRobin, Method::LeastConn, Method::SourceIp, Method::LeastResponseTime]
            .map(ejected)
            .into_iter()
            .chain([
                overflows(Method::RoundRobin, &[client(100), client(101)]),
                overflows(Method::SourceIp, &[client(100)]),
                // Who is full does not compete.
                row("full", full(Method::LeastConn), src, "forward_to_member, method 1 from 25102")
                    .given([client(100).client("S").action()]),
            ]),
    );
    check(METHODS.map(both));
}

#[test]
fn a_client_that_was_kept() {
    let first = || [A.client("S").action()];
    let again = SocketAddrV4::new(*A.client.ip(), 25_001);
    let full = World { limits: [(0, 1)].into(), ..sticky(&[1, 1]) };
    let drained = World { members: vec![(0, 0), (1, 1)], newcomers: Vec::new(), ..sticky(&[]) };
    let kept = "forward_to_member, persistence 0 from 25001";
    let lost = "forward_to_member, method 1 from 25001, kept on 0";
    check([
        row("kept", sticky(&[1, 1]), again, kept).given(first()),
        row("drained", sticky(&[1, 1]), again, kept)
            .given(first().into_iter().chain([drained.install()])),
        row("full", full, again, format!("{lost} full")).given(first()),
        row("ejected", sticky(&[1, 1]), again, format!("{lost} ejected"))
            .given(first().into_iter().chain([Action::Eject(0, Age::Future)])),
        row("another client", sticky(&[1, 1]), B.client, "forward_to_member, method 1 from 26000")
            .given(first()),
    ]);
}

#[test]
fn nobody_gets_it() {
    let plain = || World::new(&[1, 1]);
    let one = |overflow| World { limit: Some(1), overflow, ..plain() };
    let first = || [A.client("S").action()];
    let both_full = World { limits: [(0, 1), (1, 1)].into(), ..plain() };
    let same_port = World { ports: (25_000, 25_000), ..World::new(&[1]) };
    check([
        row("limit, drop", one(Overflow::Drop), B.client, "drop_connection_limit").given(first()),
        row("limit, reset", one(Overflow::Reset), B.client, "refuse_connection_limit")
            .given(first()),
        row(
            "not allowed",
            World { allowed: Some(vec![([192, 0, 2, 0], 24)]), ..plain() },
            A.client,
            "drop_not_allowed",
        ),
        row("admin down", World { enabled: false, ..plain() }, A.client, "refuse_disabled"),
        row("empty", World::new(&[]), A.client, "refuse_no_member"),
        row("no weight", World::new(&[0, 0]), A.client, "refuse_no_member"),
        row("members full", both_full, client(103).client, "refuse_members_full")
            .given([A.client("S").action(), B.client("S").action()]),
        row("no port", same_port, B.client, "refuse_no_port, method 0 from 0").given(first()),
        row(
            "no room",
            World { max_flows: 3, ..plain() },
            B.client,
            "refuse_table_full, method 1 from 26000",
        )
        .given(first()),
        row("another port", plain(), A.client, "pass_not_vip")
            .to(SocketAddrV4::new(*LISTENER.ip(), 81)),
    ]);
}

#[test]
fn a_connection_that_is_known_or_ending() {
    let plain = || World::new(&[1, 1]);
    let closed = || A.closed();
    let half = || A.opening().into_iter().chain([A.client("FA").action()]);
    let open = || A.established().into_iter().chain([A.member("FA").action()]);
    let limited = World { limit: Some(1), ..plain() };
    check([
        row("known", plain(), A.client, "forward_to_member, known_connection 0 from 25000")
            .given(A.opening()),
        row(
            "the member's side",
            plain(),
            member(0),
            format!("forward_to_client, known_connection 0 from {}", LISTENER.port()),
        )
        .given(A.opening())
        .to(A.vip()),
        row("over", plain(), A.client, "forward_to_member, method 1 from 25000, replaces")
            .given(closed()),
        row("half closed", plain(), A.client, "forward_to_member, known_connection 0 from 25000")
            .given(open()),
        row("never whole", plain(), A.client, "forward_to_member, method 1 from 25000, replaces")
            .given(half()),
        row(
            "never whole, and the listener's last place is its",
            limited,
            A.client,
            "forward_to_member, method 1 from 25000, replaces",
        )
        .given(half()),
    ]);
}

/// A round robin that has to pass over many places, and a set of members that nobody has met yet.
#[test]
fn every_place_in_turn() {
    let weights = [1; 8];
    let full = (1..8).map(|member| (member, 1)).collect();
    let world = World { limits: full, ..World::new(&weights) };
    let given = (100..108).map(|number| client(number).client("S").action());
    let answer = "forward_to_member, next 0 from 25110, due 1 full";
    let turned = given.clone().chain([client(108).client("S").action()]);
    check([
        row(
            "its turn",
            world.clone(),
            client(110).client,
            "forward_to_member, method 0 from 25110",
        )
        .given(given),
        row("seven places further", world, client(110).client, answer).given(turned),
    ]);
    let idle = World::new(&weights);
    let least = World { method: Method::LeastConn, ..idle };
    let again = World { newcomers: Vec::new(), ..least.clone() }.install();
    let three = (100..103).map(|number| client(number).client("S").action());
    check([row(
        "a tournament that is not played yet",
        least,
        client(110).client,
        "forward_to_member, method 3 from 25110",
    )
    .given(three.chain([again]))]);
}
