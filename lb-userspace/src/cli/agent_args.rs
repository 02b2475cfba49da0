//! What can be typed of the agent.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

use super::args::{AtDevice, Fallback};
use super::monitor_args::Monitor;
use super::pool_args::Pool;
use super::values::{listen, name};
use crate::control::Rounds;
use crate::datapath::Options;

/// The commands of and for the agent.
#[derive(Debug, Subcommand)]
pub enum AgentCommand {
    /// Serve every pool of the desired state, for as long as the node runs.
    Agent(Agent),
    /// Declare the pools of a file, each instead of what was declared of it, and serve them. Others are not touched.
    Apply {
        #[command(flatten)]
        document: Document,
        /// Say what would change, and change nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Say what `qlb apply` would change: exit code 0 if nothing, 1 if something.
    Diff {
        #[command(flatten)]
        document: Document,
    },
    /// List pools, members or monitors of the agent.
    Get {
        /// What to list.
        #[arg(value_enum)]
        kind: Kind,
        #[command(flatten)]
        listing: Listing,
    },
    /// Tell everything of a pool or a member.
    #[command(subcommand)]
    Describe(Describe),
    /// Declare something no more, and end it.
    #[command(subcommand)]
    Delete(Delete),
    /// Change, list, show or delete pools of the agent.
    #[command(subcommand)]
    Pool(Pool),
    /// Add, change, remove or list monitors of the agent's pools.
    #[command(subcommand)]
    Monitor(Monitor),
    /// Tell the neighbours of VIPs and `snat_addresses` which MAC address they have now: gratuitous ARP, or neighbor advertisements.
    ///
    /// Done at every start of a pool; for neighbours that did not hear it. Without an agent it is done all the same. Exit code 1 if an address could not be announced.
    Announce {
        /// Id, name or beginning of the id of a pool; all pools by default.
        #[arg(value_parser = name)]
        pool: Option<String>,
        /// How often, a second and a half apart.
        #[arg(long, value_name = "N", default_value_t = Rounds::default().0, value_parser = clap::value_parser!(u8).range(1..=i64::from(Rounds::MAX)))]
        rounds: u8,
        /// How to print.
        #[arg(short, long, value_enum, default_value_t)]
        output: Form,
    },
    /// Remove what belongs to nobody: records and pins without a pool, empty namespaces qlbaas-* without one.
    Gc {
        /// Say what would be removed and why, and remove nothing.
        #[arg(long)]
        dry_run: bool,
        /// How to print.
        #[arg(short, long, value_enum, default_value_t)]
        output: Form,
    },
    /// Print the completions of a shell.
    Completions {
        /// Which.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Write the manual pages into a directory.
    Man {
        /// Which; it is made if it is not there.
        #[arg(value_name = "DIR")]
        dir: PathBuf,
    },
}

/// `qlb agent`.
#[derive(Debug, clap::Args)]
pub struct Agent {
    /// The directory of the desired state; it is made if it is not there.
    #[arg(long, env = "QLB_STATE_DIR", value_name = "DIR", default_value = "/var/lib/qlb/desired")]
    pub state_dir: PathBuf,
    /// Permissions of the socket. Who may write to it may do everything.
    #[arg(long, value_name = "MODE", default_value = "0600", value_parser = mode)]
    pub socket_mode: u32,
    /// Group of the socket.
    #[arg(long, value_name = "GROUP")]
    pub socket_group: Option<String>,
    /// Serve `GET /metrics` there for Prometheus, to whoever can reach it; 127.0.0.1:9922 is for this node alone. Nobody by default.
    #[arg(long, env = "QLB_METRICS_LISTEN", value_name = "ADDRESS:PORT", value_parser = listen)]
    pub metrics_listen: Option<SocketAddr>,
    /// Replace the agent that runs by this program, without a gap for packets.
    #[arg(long)]
    pub upgrade: bool,
    /// End every pool with the agent. They are served on without it by default.
    #[arg(long)]
    pub detach_on_exit: bool,
    /// Keep every privilege.
    #[arg(long)]
    pub keep_privileges: bool,
    /// Leave whoever started this process, and end when there is no pool any more: for an agent that is started for a pool.
    #[arg(long, conflicts_with_all = ["upgrade", "detach_on_exit"])]
    pub exit_when_idle: bool,
    #[command(flatten)]
    pub at: AtDevice,
    /// Give each device programs and maps of its own: nothing that fills those of one touches another. Each takes 14 MB
    /// and a second to load; without this, pools share them unless they say `max_connections`.
    #[arg(long)]
    pub isolate: bool,
    /// Most connections of all the pools together that share maps, ending ones included. Takes effect when the maps are
    /// made: with the first pool.
    #[arg(long, value_name = "N", default_value_t = Options::NODE_CONNECTIONS, value_parser = clap::value_parser!(u32).range(1..=16_777_216))]
    pub node_connections: u32,
    /// Most connections of a pool with maps of its own that does not say so itself, ending ones included.
    #[arg(long, value_name = "N", default_value_t = 65_536, value_parser = clap::value_parser!(u32).range(1..=16_777_216))]
    pub max_connections: u32,
}

/// A file that declares pools.
#[derive(Debug, clap::Args)]
pub struct Document {
    /// qlb YAML or a HAProxy conf; `-` is standard input.
    #[arg(short, long, value_name = "FILE")]
    pub file: PathBuf,
    /// What to do about cookie persistence.
    #[arg(long, value_name = "WHAT")]
    pub persistence_fallback: Option<Fallback>,
}

/// What can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Pools and how they are.
    #[value(alias = "pool")]
    Pools,
    /// Members and what they do.
    #[value(alias = "member")]
    Members,
    /// Monitors as they are declared.
    #[value(alias = "monitor")]
    Monitors,
}

/// How things are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For people.
    #[default]
    Table,
    /// For people with wide screens: every field.
    Wide,
    /// For programs.
    Json,
    /// For programs and people.
    Yaml,
}

/// What is listed, and how.
#[derive(Debug, clap::Args)]
pub struct Listing {
    /// Id, name or beginning of the id of a pool; all pools by default.
    #[arg(value_parser = name)]
    pub pool: Option<String>,
    /// How to print.
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Form,
    /// Go on, and print a row again when it changes.
    #[arg(short, long)]
    pub watch: bool,
    /// Leave the first line out.
    #[arg(long)]
    pub no_headers: bool,
}

/// How a pool is changed.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct How {
    /// Say what would change, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// How to print what changes.
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Form,
}

/// A pool of which everything is told.
#[derive(Debug, clap::Args)]
pub struct Shown {
    /// Id, name or beginning of the id.
    #[arg(value_parser = name)]
    pub pool: String,
    /// How to print.
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Form,
}

/// A pool that is to go.
#[derive(Debug, clap::Args)]
pub struct Removal {
    /// Id, name or beginning of the id.
    #[arg(value_parser = name)]
    pub pool: String,
    /// Say what would be deleted, and delete nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// What can be described.
#[derive(Debug, Subcommand)]
pub enum Describe {
    /// A pool: how it is, what is declared, its members.
    Pool(Shown),
    /// A member of a pool.
    Member {
        /// Id, name or beginning of the id of the pool.
        #[arg(value_parser = name)]
        pool: String,
        /// Id, beginning of the id, or address:port of the member.
        #[arg(value_parser = name)]
        member: String,
    },
}

/// What can be deleted.
#[derive(Debug, Subcommand)]
pub enum Delete {
    /// A pool, and its connections.
    Pool(Removal),
}

fn mode(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777);
    mode.ok_or_else(|| format!("`{text}` are no permissions; write them as 0600 or 0660"))
}
