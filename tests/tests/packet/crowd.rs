//! Pools as large as they get.

mod cost;
mod oracle;

use std::net::{Ipv4Addr, SocketAddrV4};
use std::thread::available_parallelism;

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use lb_common::state::{MAX_MEMBERS, Method};
use lb_tests::datapath::{
    Act, Action, CLIENT_SEQ, Datapath as _, Kernel, LISTENER, MEMBER_SEQ, Ran, Tcp, World, member,
};
use lb_userspace::datapath::Failover;

use oracle::{Oracle, spread};

const CONNECTIONS: u32 = 20_000;
/// So many connections between two looks at all members.
const SAMPLE: u32 = 500;
/// Before so many connections are there one ends, from the first.
const ENDS: u32 = 3;

fn active(kernel: &Kernel, members: usize) -> Vec<u64> {
    kernel.active(members as u32).unwrap().into_iter().map(u64::from).collect()
}

fn client(number: u32) -> SocketAddrV4 {
    let [_, _, third, last] = number.to_be_bytes();
    SocketAddrV4::new(Ipv4Addr::new(10, 77, third, last), 30_000)
}

fn pool(method: Method, weights: &[u32]) -> World {
    World { method, newcomers: Vec::new(), ..World::new(weights) }
}

/// A client's segment.
fn segment(number: u32, flags: &'static str) -> Vec<u8> {
    Tcp::new(client(number), LISTENER, flags).numbered(CLIENT_SEQ, MEMBER_SEQ).frame()
}

/// The index of the member that a packet was sent to, and whom that sees.
fn sent(ran: &Ran) -> (usize, SocketAddrV4) {
    assert_eq!(ran.act, Act::Send);
    let packet = SlicedPacket::from_ethernet(&ran.frame).unwrap();
    let (Some(NetSlice::Ipv4(ip)), Some(TransportSlice::Tcp(tcp))) =
        (&packet.net, &packet.transport)
    else {
        panic!("no TCP over IPv4")
    };
    let member = (ip.header().destination_addr().to_bits() & 0xffff) as usize - 1;
    (member, SocketAddrV4::new(ip.header().source_addr(), tcp.source_port()))
}

/// Sends a client's segment through; the index of the member that it goes to.
fn send(kernel: &mut Kernel, number: u32, flags: &'static str) -> usize {
    sent(&kernel.act(&Action::Frame(segment(number, flags))).unwrap().unwrap()).0
}

#[test]
fn least_connections_is_exact_with_twenty_thousand_held() {
    for weights in [[1, 2, 3, 1], [1, 2, 3, 256]] {
        let weights: Vec<u32> = weights.into_iter().cycle().take(MAX_MEMBERS).collect();
        let mut kernel = Kernel::load(2 * CONNECTIONS).unwrap();
        kernel.act(&pool(Method::LeastConn, &weights).install()).unwrap();
        let mut oracle = Oracle::new(&weights);
        let mut most = 0.0_f64;
        for number in 0..CONNECTIONS {
            let member = send(&mut kernel, number, "S");
            assert_eq!(member, oracle.next(), "connection {number}");
            oracle.change(member, 1);
            most = most.max(spread(&oracle.active, &oracle.weights));
            assert!(most <= 1.0, "connection {number}: {most}");
            if number % SAMPLE == SAMPLE - 1 {
                assert_eq!(active(&kernel, MAX_MEMBERS), oracle.active);
            }
        }
        assert_eq!(oracle.active.iter().sum::<u64>(), u64::from(CONNECTIONS));
        super::tell(format_args!(
            "{CONNECTIONS} connections held by {MAX_MEMBERS} members: per weight they differ by {most:.2} at most"
        ));
    }
}

/// Several CPUs may choose the same member in the same instant, each once. Of members that nobody has measured, response times say
/// as much as connections do.
#[test]
fn a_tournament_is_as_exact_as_can_be_when_they_come_at_once() {
    [Method::LeastConn, Method::LeastResponseTime].into_iter().for_each(at_once);
}

fn at_once(method: Method) {
    const THREADS: u32 = 16;
    const EACH: u32 = 50;
    let weights = [1; MAX_MEMBERS];
    let mut kernel = Kernel::load(2 * CONNECTIONS).unwrap();
    kernel.act(&pool(method, &weights).install()).unwrap();
    let cpus = available_parallelism().unwrap().get() as f64;
    let mut most = 0.0_f64;
    for sample in 0..CONNECTIONS / (THREADS * EACH) {
        let first = sample * THREADS * EACH;
        let list = |thread| {
            let numbers = (0..EACH).map(|number| first + thread * EACH + number);
            numbers.map(|number| segment(number, "S")).collect()
        };
        let lists: Vec<Vec<Vec<u8>>> = (0..THREADS).map(list).collect();
        for ran in kernel.at_once(&lists).unwrap() {
            sent(&ran);
        }
        let active = active(&kernel, MAX_MEMBERS);
        assert_eq!(active.iter().sum::<u64>(), u64::from(first + THREADS * EACH));
        most = most.max(spread(&active, &[1; MAX_MEMBERS]));
        assert!(most <= 1.0 + cpus, "sample {sample}: {most}");
    }
    super::tell(format_args!(
        "{CONNECTIONS} connections of {THREADS} threads, {cpus} CPUs, {method:?}: they differ by {most:.0} at most"
    ));
}

#[test]
fn least_connections_is_exact_while_connections_end() {
    let weights: Vec<u32> = (0..MAX_MEMBERS as u32).map(|member| 1 + member % 3).collect();
    let mut kernel = Kernel::load(2 * CONNECTIONS).unwrap();
    kernel.act(&pool(Method::LeastConn, &weights).install()).unwrap();
    let mut oracle = Oracle::new(&weights);
    let mut owners = Vec::new();
    for number in 0..CONNECTIONS / 2 {
        let member = send(&mut kernel, number, "S");
        assert_eq!(member, oracle.next(), "connection {number}");
        oracle.change(member, 1);
        owners.push(member);
        if number % ENDS == 0 {
            let ended = number / ENDS;
            oracle.change(owners[ended as usize], -1);
            send(&mut kernel, ended, "R");
        }
        if number % SAMPLE == 0 {
            assert_eq!(active(&kernel, MAX_MEMBERS), oracle.active);
        }
    }
}

/// Members that refuse are ejected, until all of them are; then nobody counts as ejected. Where ejections
/// are over at once, everybody comes back each time.
#[test]
fn least_connections_is_exact_while_members_are_ejected() {
    const REFUSED: u32 = 5;
    for eject_for in [0, 1 << 61] {
        let weights: Vec<u32> = (0..60).map(|member| 1 + member % 3).collect();
        let mut kernel = Kernel::load(4096).unwrap();
        let failover = Failover { retries: 1, eject_after: 1, eject_for };
        let world = World { failover, ..pool(Method::LeastConn, &weights) };
        kernel.act(&world.install()).unwrap();
        let mut oracle = Oracle::new(&weights);
        for number in 0..1000 {
            let syn = Action::Frame(segment(number, "S"));
            let (first, seen) = sent(&kernel.act(&syn).unwrap().unwrap());
            assert_eq!(first, oracle.next(), "connection {number}");
            oracle.change(first, 1);
            if number % REFUSED != 0 {
                continue;
            }
            if eject_for != 0 {
                oracle.out.insert(first);
            }
            let refusal = Tcp::new(member(first as u32), seen, "RA");
            let refusal = refusal.numbered(MEMBER_SEQ, CLIENT_SEQ).frame();
            let (second, _) = sent(&kernel.act(&Action::Frame(refusal)).unwrap().unwrap());
            assert_eq!(second, oracle.next_but(Some(first)), "connection {number} once more");
            oracle.change(first, -1);
            oracle.change(second, 1);
        }
        assert_eq!(active(&kernel, weights.len()), oracle.active);
        assert_eq!(oracle.out.len(), if eject_for == 0 { 0 } else { weights.len() });
    }
}

#[test]
fn a_change_of_members_under_load_stays_exact() {
    let mut kernel = Kernel::load(4096).unwrap();
    let mut weights = vec![1; 300];
    kernel.act(&pool(Method::LeastConn, &weights).install()).unwrap();
    let mut oracle = Oracle::new(&weights);
    for number in 0..1500 {
        if number % 250 == 249 {
            // Not a power of two, and other weights than before.
            weights.truncate(weights.len() - 31);
            for (member, weight) in (0..).zip(&mut weights) {
                *weight = 1 + (member + number) % 5;
            }
            kernel.act(&pool(Method::LeastConn, &weights).install()).unwrap();
            let members = weights.len();
            oracle.weights = weights.iter().copied().map(u64::from).collect();
            oracle.active.truncate(members);
            oracle.stamps.truncate(members);
        }
        let member = send(&mut kernel, number, "S");
        assert_eq!(member, oracle.next(), "connection {number}");
        oracle.change(member, 1);
    }
}
