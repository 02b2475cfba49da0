//! Stories: what clients, members, strangers and the controller do, at random.

use std::net::{Ipv4Addr, SocketAddrV4};

use etherparse::Icmpv4Type::{self, DestinationUnreachable as Unreachable};
use etherparse::icmpv4::DestUnreachableHeader::{self, FragmentationNeeded};
use etherparse::icmpv4::ParameterProblemHeader;
use etherparse::icmpv4::TimeExceededCode;
use lb_common::state::{DrainCause, Method, Mode, Timers};
use lb_common::wire::ipv4;
use lb_tests::datapath::{
    Act, Action, Age, CLIENT_SEQ, LISTENER, MEMBER_SEQ, POOL, Ran, Stamping, Tcp, Udp, World,
    frame_ends, icmp_error, left_to_device, member, patched,
};

use lb_userspace::datapath::Failover;

use crate::clients::clients;
use crate::damage::damaged;
use crate::fragments::fragments;
use crate::random::Random;

/// Flags that do something, and some that do not.
const FLAGS: [&str; 17] =
    ["S", "S", "SA", "SA", "A", "PA", "PA", "FA", "FA", "F", "S", "R", "RA", "", "SF", "SR", "FPU"];

/// How many members there are to choose from.
const MEMBERS: u32 = 5;

/// Another address that members may see.
const SNAT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 251);
/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;

/// Longer than any clock.
pub(crate) const FOREVER: u64 = 1 << 61;

/// What has yet to be told, and what one has to remember for it.
pub(crate) struct Story {
    pub(crate) random: Random,
    pub(crate) next: Vec<Action>,
    /// Connections as the last packets to members showed them.
    pub(crate) seen: Vec<Seen>,
    clients: usize,
    known: [bool; MEMBERS as usize],
    /// Whether the listener's protocol is UDP.
    pub(crate) is_udp: bool,
}

#[derive(Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) client: SocketAddrV4,
    vip: SocketAddrV4,
    member: SocketAddrV4,
}

impl Story {
    pub(crate) fn new(mut random: Random, is_udp: bool) -> Self {
        let clients = random.among(&[3, 8, 20]);
        let mut story =
            Self { random, next: Vec::new(), seen: Vec::new(), clients, known: [false; _], is_udp };
        let install = story.install();
        story.next.push(install);
        story
    }

    /// What happens next.
    pub(crate) fn next(&mut self) -> Action {
        if let Some(action) = self.next.pop() {
            return action;
        }
        match self.random.below(400) {
            0..=3 => {
                self.ask_again();
                self.install()
            }
            4..=9 => {
                // Only an entry with a given age expires the same way by every clock.
                self.next.push(Action::Sweep);
                Action::Stamp(Stamping::Scattered(self.random.next()))
            }
            11..=12 => {
                let member = self.random.below(MEMBERS as usize) as u32;
                let until = self.random.among(&[Age::Ancient, Age::Ancient, Age::Future]);
                Action::Eject(member, until)
            }
            21..=23 => {
                let end = self.random.among(&[Age::Ancient, Age::Ancient, Age::Future]);
                let cause = self.random.among(&[DrainCause::Timeout, DrainCause::MarkedDown]);
                let drain = if self.random.once_in(4) { None } else { Some((end, cause)) };
                Action::Drain(self.random.below(MEMBERS as usize) as u32, drain)
            }
            24 => {
                // Held connections lose their member.
                let member = self.random.below(MEMBERS as usize) as u32;
                let cause = self.random.among(&[DrainCause::Timeout, DrainCause::MarkedDown]);
                let ages = Stamping::Each {
                    client: Age::Future,
                    member: Age::Future,
                    opened: Age::Ancient,
                };
                self.next = vec![Action::Drain(member, None), Action::Sweep, Action::Stamp(ages)];
                Action::Drain(member, Some((Age::Ancient, cause)))
            }
            25..=48 if !self.seen.is_empty() => self.errors(),
            13..=20 if !self.seen.is_empty() => {
                // The client that was sent to a member last has waited for long, and asks again.
                let client = self.seen[self.seen.len() - 1].client;
                let again = if self.is_udp {
                    Udp::new(client, LISTENER).frame()
                } else {
                    Tcp::new(client, LISTENER, "S").numbered(CLIENT_SEQ, MEMBER_SEQ).frame()
                };
                self.next.push(Action::Frame(again));
                let (client, member, opened) = (Age::Future, Age::Future, Age::Ancient);
                Action::Stamp(Stamping::Each { client, member, opened })
            }
            10 if self.random.once_in(4) => {
                let install = self.install();
                let meanwhile = (0..20).map(|_| self.packet());
                self.next = [install].into_iter().chain(meanwhile).collect();
                Action::ForgetPool(POOL)
            }
            _ => self.packet(),
        }
    }

    /// Learns what the datapath made of a frame.
    pub(crate) fn saw(&mut self, action: &Action, ran: &Ran) {
        let (Action::Frame(frame) | Action::Gso(frame, _)) = action else { return };
        if let (Act::Send, Some((client, asked)), Some((vip, member))) =
            (ran.act, frame_ends(frame), frame_ends(&ran.frame))
            && (asked == LISTENER || vip.ip() == LISTENER.ip() || *vip.ip() == SNAT)
            && vip != LISTENER
        {
            self.seen.push(Seen { client, vip, member });
            let too_many = self.seen.len().saturating_sub(4 * self.clients);
            self.seen.drain(..too_many);
        }
    }

    fn install(&mut self) -> Action {
        let random = &mut self.random;
        let mut world = World::new(&[]);
        world.protocol = if self.is_udp { ipv4::UDP } else { ipv4::TCP };
        world.method = random.among(&[
            Method::RoundRobin,
            Method::LeastConn,
            Method::SourceIp,
            Method::SourceIpPort,
        ]);
        let modes = [Mode::Nat, Mode::Nat, Mode::Dnat, Mode::Dsr];
        // What the members of a UDP pool say has to come by.
        let modes = if self.is_udp { &modes[..3] } else { &modes };
        world.mode = random.among(modes);
        let crowd = random.among(&[0, 1, 2, 2, 3, 3]);
        let limited = random.once_in(4);
        for index in 0..MEMBERS {
            if random.below(3) < crowd {
                world.members.push((index, random.among(&[0, 1, 1, 2, 3, 100, 256])));
                if limited || random.once_in(8) {
                    let most = if limited { [1, 1, 2] } else { [1, 2, 8] };
                    world.limits.insert(index, random.among(&most));
                }
                // An index is new once; its load then outlives every change.
                if !std::mem::replace(&mut self.known[index as usize], true) {
                    world.newcomers.push(index);
                }
            }
        }
        world.enabled = !random.once_in(8);
        world.ports = random.among(&[
            (20_000, 29_999),
            (20_000, 29_999),
            (25_000, 25_010),
            (25_000, 25_000),
            (25_599, 25_601),
            (78, 82),
            (1, 65_535),
            (65_535, 65_535),
        ]);
        world.snat = random.among(&[None, Some(SNAT)]).into_iter().collect();
        clients(random, &mut world);
        let mut time = || random.among(&[0, 1_000_000_000, FOREVER]);
        world.timers = Timers {
            opening: time(),
            client: time(),
            server: time(),
            closing: time(),
            closed: time(),
        };
        world.failover = Failover {
            retries: random.among(&[0, 1, 3, 4]),
            eject_after: random.among(&[0, 1, 3]),
            eject_for: random.among(&[0, FOREVER]),
        };
        world.keepalive_counts = random.once_in(3);
        world.install()
    }

    fn packet(&mut self) -> Action {
        let known = match self.seen.len() {
            0 => None,
            some => Some(self.seen[self.random.below(some)]),
        };
        if let Some(known) = known
            && self.random.once_in(5)
        {
            return self.talk(known);
        }
        let (src, dst) = match (self.random.below(16), known) {
            (0..=5, Some(known)) => (known.client, LISTENER),
            (6..=11, Some(known)) => (known.member, known.vip),
            (0..=14, _) => (self.client(), LISTENER),
            _ => self.stranger(),
        };
        // Now and then, what the listener does not speak.
        if self.is_udp != self.random.once_in(30) {
            return Action::Frame(self.datagram(src, dst));
        }
        let flags = self.random.among(&FLAGS);
        let numbers =
            if dst == LISTENER { (CLIENT_SEQ, MEMBER_SEQ) } else { (MEMBER_SEQ, CLIENT_SEQ) };
        let tcp = self.segment(Tcp::new(src, dst, flags).numbered(numbers.0, numbers.1));
        if self.random.once_in(12) {
            let payload = self.random.among(&[0, 20, 100, 1000, 1000]);
            let payload = self.random.bytes(payload);
            return self.fragments(&tcp.payload(&payload).frame());
        }
        let frame = tcp.frame();
        match self.random.below(40) {
            0..=2 => Action::Frame(damaged(&mut self.random, frame)),
            3 if frame.len() > 1000 => Action::Gso(frame, 500),
            _ => Action::Frame(frame),
        }
    }

    /// A segment in fragments.
    fn fragments(&mut self, frame: &[u8]) -> Action {
        let mut parts = fragments(&mut self.random, frame);
        for part in &mut parts {
            if part.len() > 60 && self.random.once_in(20) {
                *part = damaged(&mut self.random, part.clone());
            }
        }
        let mut actions: Vec<Action> = parts.into_iter().map(Action::Frame).collect();
        if actions.len() > 1 && self.random.once_in(8) {
            // Nobody may wait for the rest any more.
            actions.insert(1, Action::Stamp(Stamping::Scattered(self.random.next())));
        }
        let mut actions = actions.into_iter();
        let first = actions.next().unwrap_or_else(|| Action::Frame(frame.to_vec()));
        self.next.extend(actions.rev());
        first
    }

    /// An ICMP error, most of the time about a segment that was sent on: after the member has accepted, or when the
    /// pool has had enough of them, or just so.
    fn errors(&mut self) -> Action {
        let newest = self.seen[self.seen.len() - 1];
        let accepts = Action::Frame(if self.is_udp {
            Udp::new(newest.member, newest.vip).frame()
        } else {
            let accepts = Tcp::new(newest.member, newest.vip, "SA");
            accepts.numbered(MEMBER_SEQ, CLIENT_SEQ).frame()
        });
        match self.random.below(8) {
            0..=3 => {
                let error = self.error(newest);
                self.next.push(error);
                accepts
            }
            4..=5 => {
                let [error, spent] = [self.error(newest), Action::Spend(Age::Future)];
                self.next.extend([Action::Spend(Age::Ancient), error, spent]);
                accepts
            }
            _ => {
                let any = self.seen[self.random.below(self.seen.len())];
                self.error(any)
            }
        }
    }

    fn error(&mut self, Seen { client, vip, member }: Seen) -> Action {
        let (src, dst, numbers) = match self.random.below(12) {
            0..=4 => (vip, member, (CLIENT_SEQ, MEMBER_SEQ)),
            5..=9 => (LISTENER, client, (MEMBER_SEQ, CLIENT_SEQ)),
            10 => (client, LISTENER, (CLIENT_SEQ, MEMBER_SEQ)),
            _ => (LISTENER, member, (MEMBER_SEQ, CLIENT_SEQ)),
        };
        // Now and then, about what the listener does not speak.
        let about = if self.is_udp != self.random.once_in(30) {
            self.whole_datagram(src, dst).frame()
        } else {
            let flags = self.random.among(&["A", "PA", "S", "SA", "FA"]);
            self.segment(Tcp::new(src, dst, flags).numbered(numbers.0, numbers.1)).frame()
        };
        let random = &mut self.random;
        let kind = match random.below(7) {
            0 | 1 => Unreachable(FragmentationNeeded { next_hop_mtu: random.next() as u16 }),
            2 => Unreachable(DestUnreachableHeader::Host),
            3 => Unreachable(DestUnreachableHeader::Port),
            4 => Icmpv4Type::TimeExceeded(TimeExceededCode::TtlExceededInTransit),
            5 => Icmpv4Type::ParameterProblem(ParameterProblemHeader::BadLength),
            _ => Icmpv4Type::Unknown {
                type_u8: random.next() as u8,
                code_u8: random.next() as u8,
                bytes5to8: [0; 4],
            },
        };
        let all = about.len() - ETHERNET;
        let bytes = match random.below(4) {
            0 => all.min(28),
            1 => all.min(24 + random.below(60)),
            _ => all.min(548),
        };
        let router = Ipv4Addr::new(10, 0, 0, 254);
        let host = random.among(&[router, router, *dst.ip()]);
        let to = if random.once_in(12) { host } else { *src.ip() };
        let error = icmp_error(host, to, &kind, &about, bytes);
        Action::Frame(if random.once_in(12) { damaged(&mut self.random, error) } else { error })
    }

    /// A segment that moves nothing, whole or with one thing about it that an XDP program leaves to TC.
    fn talk(&mut self, known: Seen) -> Action {
        let random = &mut self.random;
        let (src, dst, numbers) = match random.below(3) {
            0 => (known.client, LISTENER, (CLIENT_SEQ, MEMBER_SEQ)),
            _ => (known.member, known.vip, (MEMBER_SEQ, CLIENT_SEQ)),
        };
        let longest = 1460;
        let payload = random.among(&[0, 1, 100, longest, longest + 1]);
        let tcp = Tcp::new(src, dst, random.among(&["A", "PA"])).numbered(numbers.0, numbers.1);
        let frame = tcp.id(random.next() as u16).payload(&random.bytes(payload)).frame();
        Action::Frame(match random.below(8) {
            0 => left_to_device(frame),
            1 => patched(frame, 5, &[1]),
            _ => frame,
        })
    }

    /// A few clients from a few ports each; members are clients, too.
    fn client(&mut self) -> SocketAddrV4 {
        let host = 1 + self.random.below(self.clients) as u8;
        let port = self.random.among(&[25_000, 25_001, 25_005, 40_000, 80, 8080, 65_535]);
        SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, host), port)
    }

    fn stranger(&mut self) -> (SocketAddrV4, SocketAddrV4) {
        let port = self.random.among(&[80, 81, 25_000, 0, 65_535]);
        let index = self.random.below(MEMBERS as usize) as u32;
        let vip = SocketAddrV4::new(*LISTENER.ip(), port);
        match self.random.below(3) {
            0 => (self.client(), vip),
            1 => (member(index), vip),
            _ => (vip, member(index)),
        }
    }

    fn segment(&mut self, tcp: Tcp) -> Tcp {
        let random = &mut self.random;
        let payload = match random.below(6) {
            0 => random.below(1460),
            1 => random.below(10),
            2 if random.once_in(6) => 3000,
            _ => 0,
        };
        let mut tcp = tcp.payload(&random.bytes(payload));
        match random.below(8) {
            0 => tcp = tcp.seq(random.next() as u32),
            1 => tcp = tcp.ack(random.next() as u32),
            2 => tcp = tcp.seq(CLIENT_SEQ.wrapping_add(random.below(4000) as u32)),
            _ => {}
        }
        tcp = tcp.id(random.next() as u16);
        if random.once_in(16) {
            tcp = tcp.hops(random.among(&[0, 0, 1, 2, 255]));
        }
        if random.once_in(8) {
            tcp = tcp.ip_options(&vec![1; 4 * (1 + random.below(10))]);
        }
        if random.once_in(4) {
            tcp = tcp.tcp_options(&vec![1; 4 * (1 + random.below(10))]);
        }
        if random.once_in(3) {
            let stamp = random.among(&[0_u32, 1, 2, 3, u32::MAX]).to_be_bytes();
            let mut options = random.among(&[&[][..], &[1, 1], &[2, 4, 5, 180], &[0]]).to_vec();
            options.extend([8, random.among(&[10, 10, 10, 9, 0, 30])]);
            options.extend(stamp);
            options.extend([0; 4]);
            tcp = tcp.tcp_options(&options);
        }
        if random.once_in(4) { tcp.padding(random.below(20)) } else { tcp }
    }
}
