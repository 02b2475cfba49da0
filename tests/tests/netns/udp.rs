//! Names of a real DNS server, asked through the VIP.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::UdpSocket;
use std::thread;
use std::time::Duration;

use lb_tests::dns::{self, Dns, FRAGMENTED, LONG, ask, ask_long};
use lb_tests::topology::{Layout, SSH_POOL, SSH_POOL_V6, SeedPool};

use crate::bench::Bench;
use crate::pool_file::{LEAST_CONNECTIONS, ROUND_ROBIN, SOURCE_IP, SOURCE_IP_PORT};

/// The port of DNS.
pub(crate) const PORT: u16 = 53;

/// Longer than any answer takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// Clients of a pool.
const CLIENTS: u8 = 3;

/// A DNS server on each member of a pool that is asked by several clients.
pub(crate) struct Names {
    pub(crate) bench: Bench,
    servers: Vec<Dns>,
}

impl Names {
    pub(crate) fn new(method: &'static str, weights: &[u32]) -> Self {
        Self::of(&SSH_POOL, method, weights)
    }

    /// The same with another pool of the seed.
    pub(crate) fn of(pool: &SeedPool, method: &'static str, weights: &[u32]) -> Self {
        let members = u8::try_from(weights.len()).unwrap().max(2);
        let layout = Layout { members, clients: CLIENTS, ..Layout::ONE_ARM };
        let mut bench = Bench::of(pool, &layout, method, weights);
        bench.pool = bench.pool.udp(PORT);
        let start = |(index, member): (usize, &crate::pool_file::MemberLine)| {
            let namespace = &bench.net.members[index].namespace;
            Dns::start(namespace, &format!("m{}", index + 1), member.address).unwrap()
        };
        let servers = bench.pool.members.iter().enumerate().map(start).collect();
        Self { bench, servers }
    }

    /// A socket of a client.
    pub(crate) fn socket(&self, client: usize) -> UdpSocket {
        let vip = self.bench.vip();
        let namespace = &self.bench.net.clients[client].namespace;
        namespace.run(|| dns::socket(vip, PATIENCE)).unwrap().unwrap()
    }

    /// Asks for so many names from a socket of its own each; who answered how many. Every answer must be right.
    fn ask_from(&self, client: usize, count: u16) -> BTreeMap<String, u64> {
        let mut served = BTreeMap::new();
        // All of them at the end: none gets the port, and so the flow, of one before.
        let sockets: Vec<UdpSocket> = (0..count).map(|_| self.socket(client)).collect();
        for (socket, number) in sockets.iter().zip(0..) {
            *served.entry(who(socket, number)).or_default() += 1;
        }
        served
    }

    /// The same from all clients at once; who answered how many in all.
    fn ask_from_all(&self, count: u16) -> BTreeMap<String, u64> {
        let mut served: BTreeMap<String, u64> = BTreeMap::new();
        thread::scope(|scope| {
            let asking = |client| scope.spawn(move || self.ask_from(client, count));
            let asking: Vec<_> = (0..usize::from(CLIENTS)).map(asking).collect();
            for (member, count) in asking.into_iter().flat_map(|asking| asking.join().unwrap()) {
                *served.entry(member).or_default() += count;
            }
        });
        served
    }
}

/// The member that answers a question for the name with this number, rightly.
pub(crate) fn who(socket: &UdpSocket, number: u16) -> String {
    let name = format!("h{}.test", number % 100);
    let (member, answered) = ask(socket, number, &name).unwrap();
    assert_eq!(answered, name, "{member}");
    member
}

fn shares(shares: &[(&str, u64)]) -> BTreeMap<String, u64> {
    shares.iter().map(|(member, count)| ((*member).to_owned(), *count)).collect()
}

#[test]
fn every_answer_is_right_and_every_member_has_its_share() {
    for pool in [&SSH_POOL, &SSH_POOL_V6] {
        every_answer_of(&Names::of(pool, ROUND_ROBIN, &[1, 2, 1]));
    }
}

fn every_answer_of(names: &Names) {
    let _run = names.bench.run();
    assert_eq!(names.ask_from_all(200), shares(&[("m1", 150), ("m2", 300), ("m3", 150)]));
    let status = names.bench.status();
    assert_eq!(status["protocol"], "UDP");
    assert_eq!(names.bench.members("total_connections"), [150, 300, 150]);
    assert_eq!(names.bench.members("packets_out"), [150, 300, 150]);
    assert_eq!(names.bench.counter("connection_opened"), 600);
    let conns = names.bench.conns();
    assert_eq!(conns.len(), 600);
    assert!(conns.iter().all(|row| row["protocol"] == "UDP" && row["state"] == "ESTABLISHED"));
}

/// What is told of answers that no longer fit into what every way takes (RFC 9715).
#[test]
fn long_answers_arrive_whole() {
    for pool in [&SSH_POOL, &SSH_POOL_V6] {
        let names = Names::of(pool, ROUND_ROBIN, &[1, 1]);
        let _run = names.bench.run();
        for id in 1..=4 {
            let (member, bytes) = ask_long(&names.socket(0), id, LONG).unwrap();
            assert_eq!(member, ["m2", "m1"][usize::from(id % 2)]);
            assert!((1_233..=1_452).contains(&bytes), "{bytes} bytes");
        }
    }
}

/// The client's kernel puts the fragments together, and looks at the checksum of the whole.
#[test]
fn answers_in_fragments_arrive_whole() {
    for pool in [&SSH_POOL, &SSH_POOL_V6] {
        let names = Names::of(pool, ROUND_ROBIN, &[1, 1]);
        let _run = names.bench.run();
        for id in 1..=4 {
            let (member, bytes) = ask_long(&names.socket(0), id, FRAGMENTED).unwrap();
            assert_eq!(member, ["m2", "m1"][usize::from(id % 2)]);
            assert!((3_001..4_096).contains(&bytes), "{bytes} bytes");
        }
        assert_eq!(names.bench.counter("datagram_fragmented"), 4);
        assert_eq!(names.bench.counter("forward_to_client"), 12, "in three parts each");
        assert_eq!(names.bench.counter("pass_fragment"), 0);
    }
}

#[test]
fn every_policy_serves_datagrams() {
    for method in [LEAST_CONNECTIONS, SOURCE_IP, SOURCE_IP_PORT, "LEAST_RESPONSE_TIME"] {
        let names = Names::new(method, &[1, 1]);
        let _run = names.bench.run();
        let served = names.ask_from_all(40);
        assert_eq!(served.values().sum::<u64>(), 120, "{method}");
        let each: Vec<usize> = (0..3).map(|client| names.ask_from(client, 20).len()).collect();
        match method {
            // Flows go on for a while after the answer, so the counts are those of flows.
            // Two that come at the same time may find the same member the emptier one.
            LEAST_CONNECTIONS => {
                assert!(served.values().all(|count| count.abs_diff(60) <= 3), "{served:?}");
            }
            SOURCE_IP => assert_eq!(each, [1, 1, 1], "a client has one member"),
            SOURCE_IP_PORT => assert_eq!(each, [2, 2, 2], "a client's ports are spread"),
            _ => {}
        }
    }
}

#[test]
fn a_client_is_kept_on_its_member() {
    let mut names = Names::new(ROUND_ROBIN, &[1, 1]);
    names.bench.pool.fields.push("session_persistence: {type: SOURCE_IP, timeout: 360}".into());
    let _run = names.bench.run();
    for client in 0..3 {
        assert_eq!(names.ask_from(client, 20).len(), 1, "client {client}");
    }
    assert_eq!(names.bench.counter("connection_persisted"), 57);
}

#[test]
fn flows_of_a_removed_member_move_at_once_and_those_of_a_drained_one_stay() {
    for pool in [&SSH_POOL, &SSH_POOL_V6] {
        flows_move_of(&Names::of(pool, ROUND_ROBIN, &[1, 1, 1]));
    }
}

fn flows_move_of(names: &Names) {
    let bench = &names.bench;
    let _run = bench.run();
    let sockets: Vec<UdpSocket> = (0..30).map(|number| names.socket(number % 3)).collect();
    let ask_all =
        |number| -> Vec<String> { sockets.iter().map(|socket| who(socket, number)).collect() };
    let first = ask_all(1);
    assert_eq!(first, ["m1", "m2", "m3"].repeat(10));

    bench.member("drain", &["m2"]);
    assert_eq!(ask_all(2), first, "a drained member keeps its flows");
    assert_eq!(bench.counter("udp_flow_moved"), 0);

    bench.member("remove", &["m1"]);
    assert_eq!(ask_all(3), ["m3", "m2", "m3"].repeat(10), "those of a removed one move");
    assert_eq!(bench.counter("udp_flow_moved"), 10);
    assert_eq!(bench.members("active_connections"), [10, 20, 0], "m2, m3, and m1");

    bench.member("set", &["m3", "--weight", "5"]);
    bench.member("set", &["m2", "--weight", "1"]);
    bench.member("set", &["m3", "--admin-state-up", "false"]);
    assert_eq!(ask_all(4), ["m2"; 30], "so do those of one that is down");
    assert_eq!(bench.counter("udp_flow_moved"), 30);
    assert_eq!(bench.counter("connection_opened"), 30, "no flow was new");
}

/// A member without a server says that its port is unreachable. The client hears of it, and its next question goes to
/// another member; one that keeps failing is not asked any more.
#[test]
fn a_member_that_does_not_listen_is_found_out_by_its_errors() {
    for pool in [&SSH_POOL, &SSH_POOL_V6] {
        let mut names = Names::of(pool, ROUND_ROBIN, &[1, 1]);
        names
            .bench
            .pool
            .fields
            .push("failover: {retries: 3, eject_after: 2, eject_for: 600000}".to_owned());
        names.servers.remove(0);
        let _run = names.bench.run();
        let asked: Vec<(ErrorKind, String)> = (0..2)
            .map(|number| {
                let socket = names.socket(0);
                let refused = ask(&socket, number, "h1.test").unwrap_err();
                (refused.kind(), who(&socket, number))
            })
            .collect();
        assert_eq!(asked, [(); 2].map(|()| (ErrorKind::ConnectionRefused, "m2".to_owned())));
        let counter = |name| names.bench.counter(name);
        assert_eq!(
            ["icmp_to_client", "redispatched_refused", "member_ejected"].map(counter),
            [2, 2, 1]
        );
        assert_eq!(names.bench.members("failed_connections"), [2, 0]);
        assert_eq!(names.ask_from(1, 5), shares(&[("m2", 5)]), "m1 is ejected");
    }
}
