//! Random lives of connections on the host's tables: what must hold after every single step.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

mod asked;
mod audit;
mod datagrams;
mod frame;
mod numbers;
mod ports;
mod watched;
mod whose;
mod world;

use lb_common::addr::Addr;
use lb_common::state::{Method, Mode, Persistence};
use lb_common::wire::ipv4;
use proptest::prelude::*;

use frame::Flags;
use ports::Ports;
use world::{Step, World};

/// Steps of clients, members and the clock. Numbers choose among what there is.
fn step() -> impl Strategy<Value = Step> {
    let flags = prop_oneof![
        6 => Just(Flags::SYN),
        3 => Just(Flags::SYN | Flags::ACK),
        6 => Just(Flags::ACK),
        4 => Just(Flags::FIN | Flags::ACK),
        1 => Just(Flags::RST),
        1 => Just(Flags::RST | Flags::ACK),
        1 => any::<u8>(),
    ];
    let payload = prop_oneof![4 => Just(0), 1 => 0_usize..64];
    let base = || {
        let numbers = prop_oneof![0_u32..1_000, any::<u32>()];
        prop_oneof![6 => Just(None), 2 => numbers.prop_map(Some)]
    };
    prop_oneof![
        12 => (0_u8..6, flags.clone(), payload.clone(), base()).prop_map(
            |(client, flags, payload, base)| Step::Client { client, flags, payload, base }
        ),
        10 => (any::<usize>(), flags, payload, base()).prop_map(
            |(which, flags, payload, base)| Step::Member { which, flags, payload, base }
        ),
        2 => any::<usize>().prop_map(|which| Step::Unreachable { which }),
        2 => (0_u64..4_000).prop_map(Step::Wait),
        2 => any::<u64>().prop_map(Step::Sweep),
        1 => prop_oneof![Just(Mode::Nat), Just(Mode::Dnat), Just(Mode::Dsr)].prop_map(Step::Mode),
        1 => proptest::collection::vec(0_u32..4, 0..4).prop_map(Step::Members),
        1 => (method(), 1_u32..=16, prop_oneof![Just(0), 1_u32..4])
            .prop_map(|(method, times, limit)| Step::Policy { method, times, limit }),
        1 => (0_u32..4, 0_u64..3_000, any::<bool>())
            .prop_map(|(member, within, down)| Step::Drain { member, within, down }),
    ]
}

fn method() -> impl Strategy<Value = Method> {
    prop_oneof![
        2 => Just(Method::RoundRobin),
        2 => Just(Method::LeastConn),
        1 => Just(Method::SourceIp),
        1 => Just(Method::SourceIpPort),
        1 => Just(Method::LeastResponseTime),
    ]
}

fn world() -> impl Strategy<Value = World> {
    let weights = proptest::collection::vec(1_u32..=256, 1..5);
    let ports = prop_oneof![
        Just(Ports::of(20_000, 29_999)),
        Just(Ports::of(30_000, 30_002)),
        Just(Ports::of(30_719, 30_720)),
        Just(Ports::of(79, 81)),
        Just(Ports::of(1, 65_535)),
    ];
    let ports = (ports, any::<bool>(), prop_oneof![3 => Just(0), 1 => 1_usize..4])
        .prop_map(|(ports, two, capacity)| Ports { two, capacity, ..ports });
    let capacity = prop_oneof![3 => Just(0), 1 => 1_usize..12];
    let limit = prop_oneof![3 => Just(u32::MAX), 1 => 0_u32..6];
    let timeout = prop_oneof![2 => Just(None), 1 => (0_u64..4_000).prop_map(Some)];
    let protocol = prop_oneof![Just(ipv4::TCP), Just(ipv4::UDP)];
    (method(), weights, ports, capacity, limit, timeout, protocol).prop_map(
        |(method, weights, ports, capacity, limit, timeout, protocol)| {
            World::new(method, &weights, ports, capacity, limit, persistence(timeout), protocol)
        },
    )
}

/// Clients that are kept for so many milliseconds, zero for ever; none keeps nobody.
fn persistence(timeout: Option<u64>) -> Persistence {
    match timeout {
        None => Persistence::default(),
        Some(milliseconds) => {
            Persistence { timeout: milliseconds * 1_000_000, mask: Addr::mask(32), enabled: 1 }
        }
    }
}

proptest! {
    /// Each step checks itself; see `World::step`.
    #[test]
    fn connections_are_conserved(
        world in world(),
        steps in proptest::collection::vec(step(), 0..300),
    ) {
        for step in steps {
            world.step(step);
        }
        world.everyone_leaves();
    }

    #[test]
    fn a_frame_that_is_not_forwarded_is_not_changed(
        world in world(),
        steps in proptest::collection::vec(step(), 0..30),
        frame in proptest::collection::vec(any::<u8>(), 0..100),
        end in any::<usize>(),
        flips in proptest::collection::vec((0_usize..60, any::<u8>()), 0..4),
    ) {
        for step in steps {
            world.step(step);
        }
        world.garbage(frame);
        let mut broken = world.frame(world::client(0), world::LISTENER, Flags::SYN, 6);
        for (at, byte) in flips {
            let at = at % broken.len();
            broken[at] ^= byte;
        }
        broken.truncate(end % (broken.len() + 1));
        world.garbage(broken);
        world.check();
    }
}

#[test]
fn every_truncation_of_a_frame_is_malformed() {
    for protocol in [ipv4::TCP, ipv4::UDP] {
        let (ports, kept) = (Ports::of(20_000, 29_999), persistence(None));
        let world = World::new(Method::RoundRobin, &[1], ports, 0, u32::MAX, kept, protocol);
        let whole = world.frame(world::client(0), world::LISTENER, Flags::SYN, 3);
        for end in 6..whole.len() {
            world.malformed(whole[..end].to_vec());
        }
    }
}
