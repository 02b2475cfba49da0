//! The small world of the packet tests: one VIP, a few members, clients beside them.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

use lb_common::addr::Addr;
use lb_common::be::Be16;
use lb_common::state::{Identity, Method, Mode, Overflow, Persistence, Slot, Timers, WEIGHT_ONE};
use lb_common::wire::ipv4::{TCP, UDP};
use lb_userspace::datapath::{Failover, Listener, Network, Target};

use super::{Action, Tcp, Udp};

/// All methods.
pub const METHODS: [Method; 5] = [
    Method::RoundRobin,
    Method::LeastConn,
    Method::SourceIp,
    Method::SourceIpPort,
    Method::LeastResponseTime,
];

/// Where clients connect.
pub const LISTENER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 250), 80);

/// The number of the first byte that clients send; their SYN comes before it.
pub const CLIENT_SEQ: u32 = 1_000_000;

/// The number of the first byte that members send.
pub const MEMBER_SEQ: u32 = 2_000_000;

/// Index of the pool.
pub const POOL: u32 = 0;

/// Where a member listens.
///
/// # Panics
/// If there is no address left for the index.
#[must_use]
pub fn member(index: u32) -> SocketAddrV4 {
    let [0, 0, third, last] = (index + 1).to_be_bytes() else { panic!("few members") };
    SocketAddrV4::new(Ipv4Addr::new(10, 0, third, last), 8080)
}

/// A pool to be.
#[derive(Clone, Debug)]
pub struct World {
    /// Number of the protocol that members speak.
    pub protocol: u8,
    /// How a member is chosen.
    pub method: Method,
    /// How packets get to members.
    pub mode: Mode,
    /// The members' indexes and weights.
    pub members: Vec<(u32, u32)>,
    /// Sixteenths of their weight that members have so far, by index; all of them have the whole if they are not here.
    pub shares: BTreeMap<u32, u32>,
    /// Most connections of members, by index.
    pub limits: BTreeMap<u32, u32>,
    /// Members that come new to their index.
    pub newcomers: Vec<u32>,
    /// Lowest and highest NAT port.
    pub ports: (u16, u16),
    /// Source addresses besides the VIP.
    pub snat: Vec<Ipv4Addr>,
    /// False to refuse new connections.
    pub enabled: bool,
    /// Most active connections.
    pub limit: Option<u32>,
    /// What becomes of those above it.
    pub overflow: Overflow,
    /// The only networks whose clients are served: address and length of the prefix.
    pub allowed: Option<Vec<([u8; 4], u32)>>,
    /// How clients are kept on their members.
    pub persistence: Persistence,
    /// Which member in turn has each index.
    pub incarnation: u32,
    /// How long entries stay, in nanoseconds.
    pub timers: Timers,
    /// Whether keepalives count as life.
    pub keepalive_counts: bool,
    /// What is done about members that do not accept.
    pub failover: Failover,
    /// Most conntrack entries.
    pub max_flows: u32,
}

impl World {
    /// A round robin pool of members with these weights.
    #[must_use]
    pub fn new(weights: &[u32]) -> Self {
        let second = 1_000_000_000;
        Self {
            protocol: TCP,
            method: Method::RoundRobin,
            mode: Mode::Nat,
            members: (0..).zip(weights.iter().copied()).collect(),
            shares: BTreeMap::new(),
            limits: BTreeMap::new(),
            newcomers: (0..).take(weights.len()).collect(),
            ports: (20_000, 29_999),
            snat: Vec::new(),
            enabled: true,
            limit: None,
            overflow: Overflow::Drop,
            allowed: None,
            persistence: Persistence::default(),
            incarnation: 1,
            timers: Timers {
                opening: second,
                client: second,
                server: second,
                closing: second,
                closed: second,
            },
            keepalive_counts: false,
            failover: Failover { retries: 3, eject_after: 0, eject_for: second },
            max_flows: 1024,
        }
    }

    /// The same of UDP.
    #[must_use]
    pub fn udp(weights: &[u32]) -> Self {
        Self { protocol: UDP, ..Self::new(weights) }
    }

    /// The pool as the datapath takes it.
    #[must_use]
    pub fn target(&self) -> Target {
        let slot = |(index, weight): &(u32, u32)| {
            let address = member(*index);
            Slot {
                member: *index,
                weight: *weight * self.shares.get(index).copied().unwrap_or(WEIGHT_ONE),
                limit: self.limits.get(index).copied().unwrap_or(0),
                address: (*address.ip()).into(),
                port: Be16::new(address.port()),
                leaf: 0,
                handicap: 0,
            }
        };
        let network = |(address, bits): &([u8; 4], u32)| Network {
            address: Ipv4Addr::from(*address).into(),
            bits: Addr::V4_BITS + *bits,
        };
        let identity = |(index, _): &(u32, u32)| {
            (*index, Identity { incarnation: self.incarnation, pool: POOL })
        };
        Target {
            allowed: self.allowed.as_ref().map(|nets| nets.iter().map(network).collect()),
            identities: self.members.iter().map(identity).collect(),
            listener: Listener {
                address: (*LISTENER.ip()).into(),
                port: LISTENER.port(),
                protocol: self.protocol,
                zone: 0,
                enabled: self.enabled,
                limit: self.limit,
                overflow: self.overflow,
                persistence: self.persistence,
            },
            method: self.method,
            mode: self.mode,
            timers: self.timers,
            keepalive_counts: self.keepalive_counts,
            failover: self.failover,
            ports: self.ports,
            snat: self.snat.iter().copied().map(Into::into).collect(),
            slots: self.members.iter().map(slot).collect(),
            endings: Vec::new(),
            newcomers: self.newcomers.clone(),
        }
    }

    /// Puts the pool into the datapath.
    #[must_use]
    pub fn install(&self) -> Action {
        Action::Install(POOL, Box::new(self.target()))
    }
}

/// A connection as it should be.
#[derive(Clone, Copy, Debug)]
pub struct Conn {
    /// What deltas call it.
    pub name: &'static str,
    /// Number of the protocol.
    pub protocol: u8,
    /// The client.
    pub client: SocketAddrV4,
    /// The address that the member sees.
    pub source: Ipv4Addr,
    /// The port of it.
    pub nat: u16,
    /// Index of the member.
    pub member: u32,
    /// How its packets get to the member.
    pub mode: Mode,
}

/// A segment on both sides of the datapath.
#[derive(Clone, Debug)]
pub struct Pair {
    /// As it comes in.
    pub input: Tcp,
    /// As it should go out.
    pub output: Tcp,
}

/// A UDP datagram on both sides of the datapath.
#[derive(Clone, Debug)]
pub struct UdpPair {
    /// As it comes in.
    pub input: Udp,
    /// As it should go out.
    pub output: Udp,
}

impl UdpPair {
    /// The same change on both sides.
    #[must_use]
    pub fn with(self, change: impl Fn(Udp) -> Udp) -> Self {
        Self { input: change(self.input), output: change(self.output) }
    }

    /// The frame that comes in, as an action.
    #[must_use]
    pub fn action(&self) -> Action {
        Action::Frame(self.input.frame())
    }
}

impl Pair {
    /// The same change on both sides.
    #[must_use]
    pub fn with(self, change: impl Fn(Tcp) -> Tcp) -> Self {
        Self { input: change(self.input), output: change(self.output) }
    }

    /// The frame that comes in, as an action.
    #[must_use]
    pub fn action(&self) -> Action {
        Action::Frame(self.input.frame())
    }
}

impl Conn {
    /// A connection of the client 10.0.0.`client`.
    #[must_use]
    pub const fn new(name: &'static str, client: u8, port: u16, nat: u16, member: u32) -> Self {
        let client = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, client), port);
        Self { name, protocol: TCP, client, source: *LISTENER.ip(), nat, member, mode: Mode::Nat }
    }

    /// The same, whose member sees the client.
    #[must_use]
    pub const fn dnat(self) -> Self {
        let (source, nat) = (*self.client.ip(), self.client.port());
        Self { source, nat, mode: Mode::Dnat, ..self }
    }

    /// The same, whose packets go to the member as they are.
    #[must_use]
    pub const fn dsr(self) -> Self {
        Self { mode: Mode::Dsr, ..self.dnat() }
    }

    /// A UDP flow of the client 10.0.0.`client`.
    #[must_use]
    pub const fn udp(name: &'static str, client: u8, port: u16, nat: u16, member: u32) -> Self {
        Self { protocol: UDP, ..Self::new(name, client, port, nat, member) }
    }

    /// A datagram of the client; it loses a hop.
    #[must_use]
    pub fn asks(&self, payload: &[u8]) -> UdpPair {
        let input = Udp::new(self.client, LISTENER).payload(payload);
        let output = input.readdressed(self.vip(), member(self.member)).hops(63);
        UdpPair { input, output }
    }

    /// A datagram of the member.
    #[must_use]
    pub fn answers(&self, payload: &[u8]) -> UdpPair {
        let input = Udp::new(member(self.member), self.vip()).payload(payload);
        let output = input.readdressed(LISTENER, self.client);
        UdpPair { input, output }
    }

    /// The other end as the member sees it.
    #[must_use]
    pub const fn vip(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.source, self.nat)
    }

    /// A segment of the client; a SYN loses a hop.
    #[must_use]
    pub fn client(&self, flags: &'static str) -> Pair {
        let input = Tcp::new(self.client, LISTENER, flags).numbered(CLIENT_SEQ, MEMBER_SEQ);
        let opens = flags.contains('S') && !flags.contains(['A', 'R', 'F']);
        let output = match self.mode {
            Mode::Nat | Mode::Dnat => input.readdressed(self.vip(), member(self.member)),
            Mode::Dsr => input.clone(),
        };
        let output = if opens { output.hops(63) } else { output };
        Pair { input, output }
    }

    /// A segment of the member.
    #[must_use]
    pub fn member(&self, flags: &'static str) -> Pair {
        let input =
            Tcp::new(member(self.member), self.vip(), flags).numbered(MEMBER_SEQ, CLIENT_SEQ);
        let output = input.readdressed(LISTENER, self.client);
        Pair { input, output }
    }

    /// The client has asked.
    #[must_use]
    pub fn opening(&self) -> Vec<Action> {
        vec![self.client("S").action()]
    }

    /// The handshake is complete.
    #[must_use]
    pub fn established(&self) -> Vec<Action> {
        [self.client("S"), self.member("SA"), self.client("A")].map(|pair| pair.action()).into()
    }

    /// Both ends have closed, the member first; the client sent up to number `end`, its FIN included.
    #[must_use]
    pub fn closed_by_member(&self, end: u32) -> Vec<Action> {
        let client = |flags, back| self.client(flags).with(|tcp| tcp.seq(end.wrapping_sub(back)));
        let member = |flags| self.member(flags).with(|tcp| tcp.ack(end.wrapping_sub(1)));
        let last = client("FA", 1).with(|tcp| tcp.ack(MEMBER_SEQ + 1));
        [client("S", 2), member("SA"), client("A", 1), member("FA"), last]
            .map(|p| p.action())
            .into()
    }

    /// Both ends have closed, the client first.
    #[must_use]
    pub fn closed(&self) -> Vec<Action> {
        let mut all = self.established();
        let second = self.member("FA").with(|tcp| tcp.ack(CLIENT_SEQ + 1));
        all.extend([self.client("FA"), second].map(|pair| pair.action()));
        all
    }
}
