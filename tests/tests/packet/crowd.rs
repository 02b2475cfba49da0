//! Pools as large as they get.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

use etherparse::{NetSlice, SlicedPacket};
use lb_common::state::{MAX_MEMBERS, Method};
use lb_tests::datapath::{
    Act, Action, CLIENT_SEQ, Datapath as _, Kernel, LISTENER, MEMBER_SEQ, Tcp, World,
};

const CONNECTIONS: u32 = 20_000;
/// So many connections between two looks at all members.
const SAMPLE: u32 = 500;
/// Every so-manieth connection of the first half ends again in the second.
const ENDS: u32 = 3;

/// Least connections as HAProxy has it, the slow way.
struct Oracle {
    weights: Vec<u64>,
    active: Vec<u64>,
    stamps: Vec<u64>,
    now: u64,
}

impl Oracle {
    fn new(weights: &[u32]) -> Self {
        let weights: Vec<u64> = weights.iter().copied().map(u64::from).collect();
        let zero = vec![0; weights.len()];
        Self { weights, active: zero.clone(), stamps: zero, now: 0 }
    }

    fn next(&self) -> usize {
        let key = |member: &usize| {
            let pressure = match self.active[*member] {
                0 => 0,
                active => (active + 1) * 256 / self.weights[*member],
            };
            (pressure, self.stamps[*member])
        };
        (0..self.weights.len()).min_by_key(key).unwrap()
    }

    fn change(&mut self, member: usize, by: i64) {
        self.now += 1;
        self.stamps[member] = self.now;
        self.active[member] = self.active[member].checked_add_signed(by).unwrap();
    }

    /// By how much connections per weight differ.
    fn spread(&self) -> f64 {
        let each = || self.active.iter().zip(&self.weights).map(|(n, w)| *n as f64 / *w as f64);
        each().fold(0.0, f64::max) - each().fold(f64::MAX, f64::min)
    }
}

fn client(number: u32) -> SocketAddrV4 {
    let [_, _, third, last] = number.to_be_bytes();
    SocketAddrV4::new(Ipv4Addr::new(10, 77, third, last), 30_000)
}

fn pool(method: Method, weights: &[u32]) -> World {
    World { method, newcomers: Vec::new(), ..World::new(weights) }
}

/// Sends a client's segment through; the index of the member that it goes to.
fn send(kernel: &mut Kernel, number: u32, flags: &'static str) -> usize {
    let segment = Tcp::new(client(number), LISTENER, flags).numbered(CLIENT_SEQ, MEMBER_SEQ);
    let frame = segment.frame();
    let ran = kernel.act(&Action::Frame(frame)).unwrap().unwrap();
    assert_eq!(ran.act, Act::Send, "client {number}");
    let packet = SlicedPacket::from_ethernet(&ran.frame).unwrap();
    let Some(NetSlice::Ipv4(ip)) = &packet.net else { panic!("no IPv4") };
    (ip.header().destination_addr().to_bits() & 0xffff) as usize - 1
}

#[test]
fn least_connections_is_exact_at_four_thousand_members() {
    let weights: Vec<u32> = (0..MAX_MEMBERS as u32).map(|member| 1 + member % 3).collect();
    let mut kernel = Kernel::load(2 * CONNECTIONS).unwrap();
    kernel.act(&pool(Method::LeastConn, &weights).install()).unwrap();
    let mut oracle = Oracle::new(&weights);
    let mut owners = BTreeMap::new();
    for number in 0..CONNECTIONS {
        let member = send(&mut kernel, number, "S");
        assert_eq!(member, oracle.next(), "connection {number}");
        oracle.change(member, 1);
        owners.insert(number, member);
        if number > CONNECTIONS / 2 && number % ENDS == 0 {
            let ended = number - CONNECTIONS / 2;
            oracle.change(owners[&ended], -1);
            send(&mut kernel, ended, "R");
        }
        if number % SAMPLE == 0 {
            let active = kernel.active(MAX_MEMBERS as u32).unwrap();
            assert!(active.iter().map(|n| u64::from(*n)).eq(oracle.active.iter().copied()));
            // Connections that end do not ask whose turn it is.
            if number <= CONNECTIONS / 2 {
                assert!(oracle.spread() <= 1.0, "connection {number}: {}", oracle.spread());
            }
        }
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

#[test]
fn what_a_connection_costs() {
    for method in [Method::LeastConn, Method::RoundRobin, Method::SourceIpPort] {
        for members in [2, 64, 1024, MAX_MEMBERS] {
            let mut kernel = Kernel::load(16_384).unwrap();
            kernel.act(&pool(method, &vec![1; members]).install()).unwrap();
            // The first fills the tournament.
            send(&mut kernel, 9_999, "S");
            let before = kernel.spent();
            (0..4_000).for_each(|number| _ = send(&mut kernel, number, "S"));
            let each = (kernel.spent() - before) / 4_000;
            super::tell(format_args!(
                "{method:?}, {members} members: {} ns a SYN",
                each.as_nanos()
            ));
        }
    }
}
