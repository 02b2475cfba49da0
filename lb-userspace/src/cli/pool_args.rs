//! What can be typed of pools.

use clap::Subcommand;
use serde_json::{Value, json};

use super::agent_args::{How, Listing, Removal, Shown};
use super::patch::put;
use super::values::{
    admin_state, connection_limit, max_connections, millis, name, optional, seconds, small,
};
use crate::agent::AgentError;
use crate::config::model::{LbMethod, Overflow};

/// `qlb pool`.
#[derive(Debug, Subcommand)]
pub enum Pool {
    /// Change a pool of the agent: what is declared of it, then what is served. No connection is touched.
    Set {
        /// Id, name or beginning of the id of the pool.
        #[arg(value_parser = name)]
        pool: String,
        #[command(flatten)]
        settings: Box<PoolSettings>,
        #[command(flatten)]
        how: How,
    },
    /// List the pools of the agent, as `qlb get pools` does.
    List(Listing),
    /// Tell everything of a pool, as `qlb describe pool` does.
    Show(Shown),
    /// Declare a pool no more, and end it and its connections, as `qlb delete pool` does.
    Delete(Removal),
}

/// What can change of a pool; what is not given stays.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
pub struct PoolSettings {
    /// A label for people; an empty one takes it away.
    #[arg(long, value_name = "TEXT", value_parser = optional)]
    name: Option<Value>,
    /// How a member is chosen for a new connection.
    #[arg(long, value_name = "METHOD", value_enum, ignore_case = true)]
    lb_method: Option<LbMethod>,
    /// `down` refuses new connections; those that are open go on.
    #[arg(long, value_name = "up|down", value_parser = admin_state, alias = "admin-state-up")]
    admin_state: Option<bool>,
    /// `down`: the VIP serves nobody new.
    #[arg(long, value_name = "up|down", value_parser = admin_state, alias = "vip-admin-state-up")]
    vip_admin_state: Option<bool>,
    /// Most connections of the VIP at once; -1 is no limit, 0 serves nobody.
    #[arg(long, value_name = "N", value_parser = connection_limit, allow_negative_numbers = true)]
    connection_limit: Option<i64>,
    /// What becomes of connections above that.
    #[arg(long, value_enum)]
    overflow: Option<Overflow>,
    /// The only networks whose clients are served, separated by commas; `any` serves everybody.
    #[arg(long, value_name = "CIDR", value_delimiter = ',', num_args = 1)]
    allowed_cidrs: Option<Vec<String>>,
    /// What keeps a client on its member.
    #[arg(long, value_name = "TYPE", value_parser = ["SOURCE_IP", "none"])]
    session_persistence: Option<String>,
    /// How long a client is remembered after its last new connection, in seconds.
    #[arg(long, value_name = "SECONDS", value_parser = seconds, requires = "session_persistence", allow_negative_numbers = true)]
    persistence_timeout: Option<f64>,
    /// The part of the address that tells clients apart, such as 255.255.255.0.
    #[arg(long, value_name = "NETMASK", requires = "session_persistence")]
    persistence_granularity: Option<String>,
    /// How long connections go on to a member that takes no new ones, in milliseconds; 0 is as long as they like.
    #[arg(long, value_name = "MS", value_parser = millis, allow_negative_numbers = true)]
    drain_timeout: Option<u32>,
    /// What becomes of the connections of a member that is found down; `none`: they go on.
    #[arg(long, value_name = "WHAT", value_parser = ["shutdown-sessions", "none"])]
    on_marked_down: Option<String>,
    /// Room for so many connections at a time, ending ones included. It is room in the pool's maps, so this holds when they are made anew: after `qlb delete pool` and `qlb apply`.
    #[arg(long, value_name = "N", value_parser = max_connections, allow_negative_numbers = true)]
    max_connections: Option<u32>,
    /// To establish a connection to a member, in milliseconds; 0 is never, as for each timeout.
    #[arg(long, value_name = "MS", value_parser = millis, allow_negative_numbers = true)]
    timeout_connect: Option<u32>,
    /// Inactivity on the client's side, in milliseconds.
    #[arg(long, value_name = "MS", value_parser = millis, allow_negative_numbers = true)]
    timeout_client: Option<u32>,
    /// Inactivity on the member's side, in milliseconds.
    #[arg(long, value_name = "MS", value_parser = millis, allow_negative_numbers = true)]
    timeout_server: Option<u32>,
    /// Inactivity after one end has closed, in milliseconds.
    #[arg(long, value_name = "MS", value_parser = millis, allow_negative_numbers = true)]
    timeout_fin: Option<u32>,
    /// How long a closed connection stays known, in milliseconds.
    #[arg(long, value_name = "MS", value_parser = millis, allow_negative_numbers = true)]
    timeout_time_wait: Option<u32>,
    /// Whether keepalives count as activity.
    #[arg(long, value_name = "BOOL")]
    keepalive_counts: Option<bool>,
    /// To how many other members a connection goes that one does not accept, 0 to 4.
    #[arg(long, value_name = "N", value_parser = small, allow_negative_numbers = true)]
    retries: Option<u32>,
    /// After how many connections in a row that it does not accept a member gets none for a while; 0 is never.
    #[arg(long, value_name = "N", value_parser = small, allow_negative_numbers = true)]
    eject_after: Option<u32>,
    /// For how long, in milliseconds.
    #[arg(long, value_name = "MS", value_parser = millis, allow_negative_numbers = true)]
    eject_for: Option<u32>,
}

impl PoolSettings {
    /// The fields of the declaration that change, as the agent's API takes them; null takes one away.
    ///
    /// # Errors
    /// When an option belongs to another one that is not given.
    pub(super) fn patch(self) -> Result<Value, AgentError> {
        let unless = |word: &str, text: String| (text != word).then_some(text);
        let kept = self.persistence_timeout.is_some() || self.persistence_granularity.is_some();
        if kept && self.session_persistence.as_deref() == Some("none") {
            return Err(AgentError::Document(
                "--persistence-timeout and --persistence-granularity belong to --session-persistence SOURCE_IP"
                    .to_owned(),
            ));
        }
        let mut patch = json!({});
        put(&mut patch, "name", self.name);
        put(&mut patch, "lb_method", self.lb_method);
        put(&mut patch, "admin_state_up", self.admin_state);
        put(&mut patch, "vip.admin_state_up", self.vip_admin_state);
        put(&mut patch, "vip.connection_limit", self.connection_limit);
        put(&mut patch, "vip.overflow", self.overflow);
        let everybody = |cidrs: &Vec<String>| cidrs.iter().any(|cidr| cidr == "any");
        let cidrs = self.allowed_cidrs.map(|cidrs| (!everybody(&cidrs)).then_some(cidrs));
        put(&mut patch, "vip.allowed_cidrs", cidrs);
        match self.session_persistence.map(|kind| unless("none", kind)) {
            None => {}
            Some(None) => put(&mut patch, "session_persistence", Some(Value::Null)),
            Some(kind) => {
                put(&mut patch, "session_persistence.type", kind);
                put(&mut patch, "session_persistence.cookie_name", Some(Value::Null));
                put(&mut patch, "session_persistence.timeout", self.persistence_timeout);
                put(&mut patch, "session_persistence.granularity", self.persistence_granularity);
            }
        }
        put(&mut patch, "drain_timeout", self.drain_timeout);
        let marked = self.on_marked_down.map(|what| unless("none", what));
        put(&mut patch, "on_marked_down", marked);
        put(&mut patch, "max_connections", self.max_connections);
        put(&mut patch, "timeouts.connect", self.timeout_connect);
        put(&mut patch, "timeouts.client", self.timeout_client);
        put(&mut patch, "timeouts.server", self.timeout_server);
        put(&mut patch, "timeouts.fin", self.timeout_fin);
        put(&mut patch, "timeouts.time_wait", self.timeout_time_wait);
        put(&mut patch, "timeouts.keepalive_counts", self.keepalive_counts);
        put(&mut patch, "failover.retries", self.retries);
        put(&mut patch, "failover.eject_after", self.eject_after);
        put(&mut patch, "failover.eject_for", self.eject_for);
        Ok(patch)
    }
}
