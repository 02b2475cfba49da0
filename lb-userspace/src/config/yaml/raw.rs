//! The shape of the file: names and YAML types, no ranges and no rules.

use std::path::PathBuf;

use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

use crate::config::model::{LbMethod, Mode, OnMarkedDown, Overflow, Protocol, StartRule};

/// A file that declares pools.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = PoolsDeclaration)]
#[serde(deny_unknown_fields, expecting = "a mapping with the key `pools`")]
pub struct File {
    pub(super) pools: Vec<Pool>,
}

/// A pool as declared.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = PoolDeclaration)]
#[serde(deny_unknown_fields, expecting = "a pool (a mapping)")]
pub struct Pool {
    pub(super) id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) namespace: Option<String>,
    pub(super) protocol: Protocol,
    pub(super) lb_method: LbMethod,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) mode: Option<Mode>,
    #[serde(default = "up", skip_serializing_if = "is_up")]
    pub(super) admin_state_up: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) vip: Option<Vip>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) session_persistence: Option<Persistence>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) snat_addresses: Vec<String>,
    #[serde(default)]
    pub(super) members: Vec<Member>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) monitor: Option<Monitor>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) monitors: Vec<Monitor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) timeouts: Option<Timeouts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) max_connections: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) failover: Option<Failover>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) drain_timeout: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) on_marked_down: Option<OnMarkedDown>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) stats_socket: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) logs: Vec<String>,
}

/// Where clients connect.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "a VIP (a mapping)")]
pub(super) struct Vip {
    pub(super) id: String,
    pub(super) address: String,
    pub(super) port: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) connection_limit: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) overflow: Option<Overflow>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) allowed_cidrs: Option<Vec<String>>,
    #[serde(default = "up", skip_serializing_if = "is_up")]
    pub(super) admin_state_up: bool,
}

/// What keeps a client on its member.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "session persistence (a mapping with the key `type`)")]
pub(super) struct Persistence {
    #[serde(rename = "type")]
    pub(super) kind: PersistenceType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cookie_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "shortest_if_any")]
    pub(super) timeout: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) granularity: Option<String>,
}

/// How a client is known again.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum PersistenceType {
    SourceIp,
    HttpCookie,
    AppCookie,
}

/// A server that takes connections.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "a member (a mapping)")]
pub(super) struct Member {
    pub(super) id: String,
    pub(super) address: String,
    pub(super) port: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) weight: Option<i64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) backup: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) max_connections: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) slow_start: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) monitor_address: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) monitor_port: Option<i64>,
    #[serde(default = "up", skip_serializing_if = "is_up")]
    pub(super) admin_state_up: bool,
}

/// How members are probed.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "a monitor (a mapping)")]
pub struct Monitor {
    #[serde(rename = "type")]
    pub(super) kind: MonitorType,
    #[serde(serialize_with = "shortest")]
    pub(super) delay: f64,
    #[serde(serialize_with = "shortest")]
    pub(super) timeout: f64,
    pub(super) max_retries: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) max_retries_down: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) start: Option<StartRule>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) http_method: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) url_path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expected_codes: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) http_version: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) domain_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) verify: Option<Verify>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(super) ca_file: Option<PathBuf>,
}

/// Whether the certificate of a TLS server is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verify {
    None,
    Required,
}

/// What is done about members that do not accept.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "failover (a mapping)")]
pub(super) struct Failover {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) retries: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) eject_after: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) eject_for: Option<i64>,
}

/// What a probe does.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
pub(super) enum MonitorType {
    #[serde(rename = "TCP")]
    Tcp,
    #[serde(rename = "HTTP")]
    Http,
    #[serde(rename = "HTTPS")]
    Https,
    #[serde(rename = "TLS-HELLO")]
    TlsHello,
    #[serde(rename = "PING")]
    Ping,
    #[serde(rename = "UDP-CONNECT")]
    UdpConnect,
}

/// Timeouts of connections, in milliseconds.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "timeouts (a mapping)")]
pub(super) struct Timeouts {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) connect: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) client: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) server: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) fin: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) time_wait: Option<i64>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) keepalive_counts: bool,
}

fn up() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_up(state: &bool) -> bool {
    *state
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

/// Whole seconds without a decimal point, as operators write them.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn shortest<S: Serializer>(seconds: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if seconds.fract() == 0.0 && (0.0..1e9).contains(seconds) {
        serializer.serialize_u32(*seconds as u32)
    } else {
        serializer.serialize_f64(*seconds)
    }
}

#[expect(clippy::ref_option, reason = "serde passes a reference")]
fn shortest_if_any<S: Serializer>(seconds: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    match seconds {
        Some(seconds) => shortest(seconds, serializer),
        None => serializer.serialize_none(),
    }
}
