//! The pools an operator declares, in LBaaS terms (Neutron LBaaS v1 API, OpenStack
//! networking guide). A value of these types may still break a rule between fields;
//! [`validate`] is the one place that knows those rules.

mod codes;
mod failover;
mod host;
mod kind;
mod log;
mod monitor;
mod network;
mod socket;
mod validate;
mod value;

use std::net::IpAddr;
use std::num::NonZeroU32;

pub use codes::ExpectedCodes;
pub use failover::Failover;
pub use kind::{LbMethod, Mode, OnMarkedDown, Overflow, Protocol};
pub use log::{Facility, Level, LogAddress, LogFormat, LogTarget};
pub use monitor::{HttpCheck, HttpVersion, MonitorCheck, MonitorSpec, StartRule, Verify};
pub use network::{Cidr, Netmask};
pub use socket::StatsSocket;
pub use validate::{Violation, validate};
pub(super) use value::address;
pub use value::{Id, MaxConnections, Port, Retries, Seconds, ValueError, Weight};

/// A pool: members behind at most one VIP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSpec {
    /// Names the pool; also the HAProxy backend and, in LBaaS v1, the namespace.
    pub id: Id,
    /// A label for people.
    pub name: Option<String>,
    /// Network namespace to serve in; read it through [`PoolSpec::namespace`].
    pub namespace: Option<String>,
    /// What the members speak.
    pub protocol: Protocol,
    /// How a member is chosen for a new connection.
    pub lb_method: LbMethod,
    /// How packets get to members.
    pub mode: Mode,
    /// False: refuse new connections, keep the established ones.
    pub admin_state_up: bool,
    /// Where clients connect; a pool without VIP is legal and serves nobody.
    pub vip: Option<VipSpec>,
    /// What keeps a client on its member.
    pub session_persistence: Option<SessionPersistence>,
    /// Addresses that members may see as the source besides the VIP, where its ports towards one of
    /// them are not enough.
    pub snat_addresses: Vec<IpAddr>,
    /// The members, in the order in which round robin visits them.
    pub members: Vec<MemberSpec>,
    /// How members are probed: a member is up that is up for all of them. Without any all count as up.
    pub monitors: Vec<MonitorSpec>,
    /// Connection timeouts.
    pub timeouts: Timeouts,
    /// Most connections at a time, ending ones included; `None` is the controller's choice.
    pub max_connections: Option<MaxConnections>,
    /// What is done about members that do not accept.
    pub failover: Failover,
    /// How long connections may go on, in milliseconds, to a member that takes no new ones (weight
    /// 0, admin down, DOWN, or removed); 0 means as long as they like.
    pub drain_timeout: u32,
    /// What becomes of the connections of a member that its monitor finds down; `None`: they go on.
    pub on_marked_down: Option<OnMarkedDown>,
    /// Where statistics are answered as HAProxy does, while a controller runs. Pools may share one.
    pub stats_socket: Option<StatsSocket>,
    /// Who gets a line for each connection that ends, and for what becomes of members.
    pub logs: Vec<LogTarget>,
}

impl PoolSpec {
    /// The network namespace: the declared one, or Neutron's `qlbaas-<pool id>`.
    pub fn namespace(&self) -> String {
        self.namespace.clone().unwrap_or_else(|| namespace_of(self.id.as_str()))
    }
}

/// Neutron's namespace name for a pool (LBaaS v1) or load balancer (v2) id.
pub fn namespace_of(id: &str) -> String {
    format!("qlbaas-{id}")
}

/// The address and port clients connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VipSpec {
    /// Names the VIP; the HAProxy frontend.
    pub id: Id,
    /// The virtual address.
    pub address: IpAddr,
    /// The TCP or UDP port.
    pub port: Port,
    /// Most connections served at once; `None` is unlimited.
    pub connection_limit: Option<u32>,
    /// What becomes of connections above that.
    pub overflow: Overflow,
    /// The only networks whose clients are served; `None` serves everybody.
    pub allowed_cidrs: Option<Vec<Cidr>>,
    /// False: the VIP serves nobody.
    pub admin_state_up: bool,
}

/// A server that takes connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberSpec {
    /// Names the member; the HAProxy server.
    pub id: Id,
    /// Its address.
    pub address: IpAddr,
    /// Its TCP or UDP port.
    pub port: Port,
    /// Its share of new connections.
    pub weight: Weight,
    /// True: it takes new connections only while no other member could. All backups share then.
    pub backup: bool,
    /// Most connections at once; `None` is unlimited.
    pub max_connections: Option<NonZeroU32>,
    /// How long a member that joins, or comes up again, takes to get its whole share, in
    /// milliseconds; 0 gives it at once (HAProxy manual, 5.2 `slowstart`).
    pub slow_start: u32,
    /// Where it is probed instead of its own address.
    pub monitor_address: Option<IpAddr>,
    /// The port it is probed at instead of its own.
    pub monitor_port: Option<Port>,
    /// False: no new connections, established ones continue.
    pub admin_state_up: bool,
}

/// What keeps a client on its member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionPersistence {
    /// The client's address (`stick on src`).
    SourceIp {
        /// How long a client is remembered after its last new connection; `None` is as long as
        /// there is room (HAProxy's table without `expire`).
        timeout: Option<Seconds>,
        /// The part of the address that tells clients apart; `None` is all of it.
        granularity: Option<Netmask>,
    },
    /// A cookie the balancer inserts (`cookie SRV insert`).
    HttpCookie,
    /// A cookie the application sets (`appsession`).
    AppCookie {
        /// The cookie's name.
        cookie_name: String,
    },
}

impl SessionPersistence {
    /// By the whole address, without a timeout: what Neutron wrote into HAProxy confs.
    pub const SOURCE_IP: Self = Self::SourceIp { timeout: None, granularity: None };
}

/// Connection timeouts in milliseconds; 0 means never (HAProxy manual, `timeout`). The last two
/// have no counterpart in a HAProxy conf of Neutron's: there the kernel's own TCP has them. A UDP flow has the
/// first three: `connect` until its member has answered, then the shorter of the other two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// To establish a connection to a member.
    pub connect: u32,
    /// Inactivity on the client side.
    pub client: u32,
    /// Inactivity on the member side.
    pub server: u32,
    /// Inactivity after one end has closed (`timeout client-fin`, `server-fin`).
    pub fin: u32,
    /// How long a closed connection stays known, for late segments (RFC 9293, 2 MSL).
    pub time_wait: u32,
    /// Whether keepalives and retransmissions count as activity. HAProxy counts data only.
    pub keepalive_counts: bool,
}

impl Timeouts {
    /// Longest timeout in milliseconds, 24 days: the limit of the Octavia API.
    pub const MAX: u32 = 2_073_600_000;

    /// Each timeout with its name in the YAML.
    pub const fn named(&self) -> [(&'static str, u32); 5] {
        let Self { connect, client, server, fin, time_wait, keepalive_counts: _ } = *self;
        [
            ("connect", connect),
            ("client", client),
            ("server", server),
            ("fin", fin),
            ("time_wait", time_wait),
        ]
    }
}

impl Default for Timeouts {
    /// What Neutron wrote into every HAProxy conf.
    fn default() -> Self {
        Self {
            connect: 5_000,
            client: 50_000,
            server: 50_000,
            fin: 50_000,
            time_wait: 60_000,
            keepalive_counts: false,
        }
    }
}
