//! What the agent says of its pools.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::config::model::StartRule;

/// How a pool is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    /// It is served as declared.
    Served,
    /// It is not served yet: the namespace, the device or the VIP is not there. It will be as soon as that comes.
    Pending,
    /// It is not served, or not as declared; the agent goes on trying.
    Error,
}

impl State {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Served => "SERVED",
            Self::Pending => "PENDING",
            Self::Error => "ERROR",
        }
    }
}

/// A pool of the agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PoolView {
    /// Its id.
    pub id: String,
    /// Its label for people.
    pub name: Option<String>,
    /// How it is.
    pub state: State,
    /// Why it is not served as declared, or what is wrong with its file; null if nothing is.
    pub reason: Option<String>,
    /// TCP, HTTP, HTTPS or UDP.
    pub protocol: String,
    /// Address and port of the VIP.
    pub vip: Option<String>,
    /// How a member is chosen.
    pub lb_method: String,
    /// How many members are declared.
    pub members: u64,
    /// Whether new connections are wanted.
    pub admin_state_up: bool,
    /// The network namespace.
    pub namespace: String,
    /// The VIP's device; null while it is not served.
    pub device: Option<String>,
    /// How the device is served: tcx or clsact, with `xdp+` before it where XDP stands in front; null while it is not served.
    pub hook: Option<String>,
    /// The file that declares it; null if none that can be read does.
    pub file: Option<String>,
}

/// The pools of the agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PoolList {
    /// Version of the answer.
    pub api_version: String,
    /// Each pool, by id.
    pub pools: Vec<PoolView>,
}

/// A pool with its declaration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PoolDetail {
    /// Version of the answer.
    pub api_version: String,
    /// How it is.
    pub pool: PoolView,
    /// What is declared, as in a file.
    #[schema(value_type = crate::config::PoolSchema)]
    pub declared: Value,
    /// Its members and what they do.
    pub members: Vec<MemberView>,
}

/// A member, and what it does if the pool is served.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MemberView {
    /// The pool's id.
    pub pool: String,
    /// Its id.
    pub id: String,
    /// Its address.
    pub address: String,
    /// Its port.
    pub port: u16,
    /// READY, STARTING, EJECTED, DRAINING, DOWN, DISABLED, REMOVED (only old connections), or UNSERVED (the pool is not).
    pub state: String,
    /// Its share of new connections.
    pub weight: u16,
    /// Whether it takes new connections only while no other member could.
    pub backup: bool,
    /// Its admin state.
    pub admin_state_up: bool,
    /// Connections that are not closed.
    pub active_connections: u64,
    /// Connections it was given.
    pub total_connections: u64,
    /// Those of them that it did not accept.
    pub failed_connections: u64,
    /// Payload bytes sent to it.
    pub bytes_in: u64,
    /// Payload bytes it sent to clients.
    pub bytes_out: u64,
    /// How long its connections may go on while it takes no new ones; null for as long as they like.
    pub drain_seconds: Option<f64>,
}

/// Members.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemberViews {
    /// Version of the answer.
    pub api_version: String,
    /// Each member, in the order of the declaration.
    pub members: Vec<MemberView>,
}

/// A monitor as it is declared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MonitorView {
    /// The pool's id.
    pub pool: String,
    /// Its number in the pool, from 1, by which it is meant.
    pub monitor: u64,
    /// What a probe does: TCP, HTTP, HTTPS, TLS-HELLO, PING or UDP-CONNECT.
    #[serde(rename = "type")]
    pub kind: String,
    /// Seconds from one probe to the next.
    pub delay: f64,
    /// Seconds that a probe may take.
    pub timeout: f64,
    /// Good probes in a row that bring a member up.
    pub max_retries: u64,
    /// Failures in a row that take it down.
    pub max_retries_down: u64,
    /// What a member is before its first probe.
    pub start: StartRule,
    /// The method of the request; null unless the type is HTTP or HTTPS, as for what follows.
    pub http_method: Option<String>,
    /// The path of the request.
    pub url_path: Option<String>,
    /// Healthy status codes.
    pub expected_codes: Option<String>,
    /// Version of HTTP.
    pub http_version: Option<f64>,
    /// The Host of the request, and the name that TLS asks for; null for none.
    pub domain_name: Option<String>,
    /// Whether the certificate is looked at: none or required; null unless the type is HTTPS.
    pub verify: Option<String>,
    /// Who may have signed it; null for whom the system trusts.
    pub ca_file: Option<String>,
}

/// Monitors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MonitorViews {
    /// Version of the answer.
    pub api_version: String,
    /// Each monitor, by pool.
    pub monitors: Vec<MonitorView>,
}

/// A process that stands for pools.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StandInView {
    /// Its process id.
    pub pid: i32,
    /// When it started, in ticks since the boot.
    pub started: u64,
    /// The confs that it was started with.
    pub confs: Vec<String>,
    /// The ids of the pools that are its own.
    pub pools: Vec<String>,
}

/// The processes that stand for pools.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StandInList {
    /// Version of the answer.
    pub api_version: String,
    /// Each process, in the order in which they came.
    pub stand_ins: Vec<StandInView>,
}

/// How the agent is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// Version of the answer.
    pub api_version: String,
    /// Version of the program.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// The directory of the desired state.
    pub state_dir: String,
    /// Whether every pool is served as declared and every file can be read.
    pub ok: bool,
    /// Pools that are served as declared.
    pub served: u64,
    /// Pools whose namespace or device is not there yet.
    pub pending: u64,
    /// Pools that cannot be served as declared.
    pub failed: u64,
    /// What is wrong with files, each beginning with file and line.
    pub problems: Vec<String>,
}
