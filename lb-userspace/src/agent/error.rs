//! Why the agent does not do what it is asked, as its API and its log say it.

use std::net::SocketAddr;
use std::path::PathBuf;

use thiserror::Error;

use super::desired::StoreError;
use crate::config::{ConfigError, Refusal};
use crate::control::ControlError;
use crate::datapath::DatapathError;
use crate::node::NodeError;
use crate::registry::RegistryError;

/// Why something is not done.
#[derive(Debug, Error)]
pub enum AgentError {
    /// A document is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A document declares no pool, or another one than the address names.
    #[error("{0}")]
    Document(String),
    /// A pool is not what the datapath can do, or cannot be beside the others.
    #[error("pool {pool} is refused:\n{}", .refusals.iter().map(|r| format!("  {r}")).collect::<Vec<_>>().join("\n"))]
    Refused {
        /// The pool.
        pool: String,
        /// Each reason.
        refusals: Vec<Refusal>,
        /// Whether it is another pool that stands in the way.
        conflict: bool,
    },
    /// No pool of the agent has such an id or name.
    #[error("the agent has no pool `{0}`; `qlb get pools` lists those it has")]
    NoPool(String),
    /// Several pools are meant.
    #[error("`{name}` could be any of {}; write the id, or more of it", .candidates.join(", "))]
    Ambiguous {
        /// What was asked for.
        name: String,
        /// What it could be.
        candidates: Vec<String>,
    },
    /// No monitor of the pool is meant.
    #[error("pool {pool} has no monitor `{monitor}`; `qlb monitor list {pool}` shows those it has")]
    NoMonitor {
        /// The pool.
        pool: String,
        /// What was asked for.
        monitor: String,
    },
    /// Several monitors have the type.
    #[error("`{monitor}` could be any of {}; write the number of one", .candidates.join(", "))]
    AmbiguousMonitor {
        /// What was asked for.
        monitor: String,
        /// The numbers of those it could be.
        candidates: Vec<String>,
    },
    /// The pool is served, but not by the agent.
    #[error(
        "pool {pool} is served by `qlb run` ({}), not by the agent; change its file and start `qlb run` on it again, which takes it over as it is",
        .controller.as_ref().map_or("which has ended".to_owned(), |pid| format!("process id {pid}"))
    )]
    Foreign {
        /// The pool.
        pool: String,
        /// Process id of its controller.
        controller: Option<String>,
    },
    /// Metrics cannot be served where they should be.
    #[error(
        "cannot listen on {address} for metrics: {source}; name another address with --metrics-listen"
    )]
    MetricsListen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// What is declared of the pool is not known.
    #[error("pool {pool} cannot be changed while its file is wrong: {reason}")]
    Stale {
        /// The pool.
        pool: String,
        /// What is wrong.
        reason: String,
    },
    /// A file of the desired state declares the pool.
    #[error("pool {pool} is declared in {} already; remove it there, or do not start a haproxy for it", .file.display())]
    Declared {
        /// The pool.
        pool: String,
        /// The file.
        file: PathBuf,
    },
    /// A process stands for the pool.
    #[error(
        "pool {pool} is that of process {pid}, which was started as haproxy with {confs}; change that conf and start haproxy again with -sf {pid}, or end the process first"
    )]
    StoodFor {
        /// The pool.
        pool: String,
        /// The process.
        pid: i32,
        /// Its confs.
        confs: String,
    },
    /// Pools of a process cannot be served.
    #[error("the pools of process {pid} are not served: {}", .reasons.join("; "))]
    NotBegun {
        /// The process.
        pid: i32,
        /// Each pool and what is wrong with it.
        reasons: Vec<String>,
    },
    /// The pool is not served, so there is nothing to be done but to declare.
    #[error("pool {pool} is not served: {reason}; ask again when it is")]
    NotServed {
        /// The pool.
        pool: String,
        /// Why not.
        reason: String,
    },
    /// The desired state could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The pool could not be changed.
    #[error("{}", .0.chain())]
    Control(ControlError),
    /// The socket could not be made.
    #[error("cannot listen on {}: {what}: {source}; name another one with --socket", .path.display())]
    Socket {
        /// Its path.
        path: PathBuf,
        /// What was wanted.
        what: &'static str,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The process could not give up what it does not need.
    #[error("cannot give up privileges: {0}; --keep-privileges goes on with all of them")]
    Privileges(String),
    /// The agent that was to be replaced does not go.
    #[error(
        "the agent with process id {pid} does not hand over: {reason}; stop it (`kill {pid}`: its pools stay served), then start `qlb agent` again"
    )]
    HandOver {
        /// Its process.
        pid: String,
        /// What it said.
        reason: String,
    },
    /// The agent is about to end.
    #[error("the agent is about to end; try again when the next one runs")]
    Ending,
}

impl From<ControlError> for AgentError {
    fn from(error: ControlError) -> Self {
        Self::Control(error)
    }
}

impl From<RegistryError> for AgentError {
    fn from(error: RegistryError) -> Self {
        Self::Control(error.into())
    }
}

impl From<NodeError> for AgentError {
    fn from(error: NodeError) -> Self {
        Self::Control(error.into())
    }
}

impl From<DatapathError> for AgentError {
    fn from(error: DatapathError) -> Self {
        Self::Control(error.into())
    }
}

impl AgentError {
    /// A word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Config(_) | Self::Document(_) => "invalid_document",
            Self::Refused { conflict: true, .. } => "conflict",
            Self::Refused { conflict: false, .. } => "not_servable",
            Self::NoPool(_) => "no_such_pool",
            Self::Ambiguous { .. } | Self::AmbiguousMonitor { .. } => "ambiguous",
            Self::NoMonitor { .. } => "no_such_monitor",
            Self::Foreign { .. } => "foreign",
            Self::NotServed { .. } => "not_served",
            Self::Stale { .. } => "stale",
            Self::Declared { .. } => "declared",
            Self::StoodFor { .. } => "stood_for",
            Self::NotBegun { .. } => "not_begun",
            Self::Store(_) => "state_directory",
            Self::Control(ControlError::NoMember { .. } | ControlError::AmbiguousMember { .. }) => {
                "no_such_member"
            }
            Self::Control(_) => "datapath",
            Self::Socket { .. } | Self::MetricsListen { .. } => "socket",
            Self::Privileges(_) => "privileges",
            Self::HandOver { .. } => "no_hand_over",
            Self::Ending => "ending",
        }
    }

    /// The exit code of a command that ends with this: 2 for what was written, 4 for what is refused as things are, else 1.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Document(_) | Self::Refused { conflict: false, .. } => 2,
            Self::Refused { conflict: true, .. }
            | Self::NoPool(_)
            | Self::Ambiguous { .. }
            | Self::NoMonitor { .. }
            | Self::AmbiguousMonitor { .. }
            | Self::Foreign { .. }
            | Self::NotServed { .. }
            | Self::Stale { .. }
            | Self::Declared { .. }
            | Self::StoodFor { .. }
            | Self::NotBegun { .. }
            | Self::HandOver { .. } => 4,
            Self::Control(error) => error.exit_code(),
            Self::Store(_)
            | Self::Socket { .. }
            | Self::MetricsListen { .. }
            | Self::Privileges(_)
            | Self::Ending => 1,
        }
    }

    /// The HTTP status that stands for it; a client gets its exit code from that.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::NoPool(_) | Self::NoMonitor { .. } => 404,
            Self::Control(ControlError::NoMember { .. }) => 404,
            Self::Control(ControlError::Registry(RegistryError::NoPool(_))) => 404,
            Self::Store(error) if error.is_full() => 507,
            Self::Ending => 503,
            Self::Config(_)
            | Self::Document(_)
            | Self::Refused { .. }
            | Self::Ambiguous { .. }
            | Self::AmbiguousMonitor { .. }
            | Self::Foreign { .. }
            | Self::NotServed { .. }
            | Self::Stale { .. }
            | Self::Declared { .. }
            | Self::StoodFor { .. }
            | Self::NotBegun { .. }
            | Self::Store(_)
            | Self::Control(_)
            | Self::Socket { .. }
            | Self::MetricsListen { .. }
            | Self::Privileges(_)
            | Self::HandOver { .. } => match self.exit_code() {
                2 => 422,
                4 => 409,
                _ => 500,
            },
        }
    }
}
