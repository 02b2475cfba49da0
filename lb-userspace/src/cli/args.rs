//! What can be typed. Help texts are the documentation operators read first.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use super::agent_args::AgentCommand;
use super::values::{Limit, address, limit, millis, name, port, socket, weight};
use crate::agent::SOCKET;
use crate::config::model::{Id, Port, Weight};
use crate::control::{AttachChoice, Rounds};
use crate::datapath::HookChoice;
use crate::report::{Lines, Output};

/// An eBPF load balancer for OpenStack network nodes.
///
/// Does in the kernel what LBaaS starts one HAProxy for each pool for.
#[derive(Debug, Parser)]
#[command(name = "qlb", version, propagate_version = true)]
pub struct Args {
    /// The socket of the agent.
    #[arg(long, global = true, env = "QLB_SOCKET", value_name = "PATH", default_value = SOCKET)]
    pub socket: PathBuf,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

impl Args {
    /// Those of a process that was called as HAProxy.
    pub fn haproxy(args: Vec<OsString>) -> Self {
        let socket = std::env::var_os("QLB_SOCKET").unwrap_or_else(|| SOCKET.into());
        Self { socket: socket.into(), command: Command::Haproxy { args } }
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// What has to do with the agent.
    #[command(flatten)]
    Agent(AgentCommand),
    /// Serve pools in the foreground until SIGINT or SIGTERM.
    Run(Run),
    /// Say what is in a file and whether it can be served; change nothing.
    Check {
        /// qlb YAML or a HAProxy conf.
        #[arg(short, long = "file", value_name = "FILE")]
        file: PathBuf,
        /// What to do about cookie persistence.
        #[arg(long, value_name = "WHAT")]
        persistence_fallback: Option<Fallback>,
    },
    /// Turn a HAProxy conf as Neutron wrote it into qlb YAML on stdout.
    ///
    /// The verdict (native, degraded or unsupported), its reasons, and for each pool whether this version serves it, go to stderr; unsupported ends with exit code 2.
    Import {
        /// The HAProxy conf.
        #[arg(value_name = "CONF")]
        file: PathBuf,
        /// What to do about cookie persistence.
        #[arg(long, value_name = "WHAT")]
        persistence_fallback: Option<Fallback>,
    },
    /// End a pool that has no controller (`qlb run --keep`, or one that was killed), and its connections.
    Stop {
        /// Id, name or beginning of the id of the pool.
        #[arg(value_parser = name)]
        pool: String,
    },
    /// Change or list the members of a pool that is served.
    #[command(subcommand)]
    Member(Member),
    /// Show the pools that are served, their members and statistics.
    Status {
        /// Id, name or beginning of the id; all pools by default.
        #[arg(value_parser = name)]
        pool: Option<String>,
        /// How to print.
        #[arg(short, long, value_enum, default_value_t)]
        output: Output,
    },
    /// Print the status of pools as metrics for Prometheus.
    Metrics {
        /// Id, name or beginning of the id; all pools by default.
        #[arg(value_parser = name)]
        pool: Option<String>,
    },
    /// Be HAProxy: its arguments, messages, exit statuses, stats socket and log lines. A link named `haproxy` does the same.
    #[command(disable_help_flag = true, disable_version_flag = true)]
    Haproxy {
        /// As for HAProxy, such as `-db -f CONF`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
        args: Vec<OsString>,
    },
    /// Show which clients are kept on which members (session_persistence SOURCE_IP).
    Persistence {
        /// Id, name or beginning of the id; all pools by default.
        #[arg(value_parser = name)]
        pool: Option<String>,
        /// How to print.
        #[arg(short, long, value_enum, default_value_t)]
        output: Output,
    },
    /// Show the connection table.
    Conns {
        /// Id, name or beginning of the id; all pools by default.
        #[arg(value_parser = name)]
        pool: Option<String>,
        /// Everything that is known of each connection.
        #[arg(long)]
        detail: bool,
        /// How to print.
        #[arg(short, long, value_enum, default_value_t)]
        output: Output,
    },
    /// Say which member a connection would get if it opened now, and why. Nothing is changed by asking.
    ///
    /// The program on the VIP's device is asked itself, without the effects that a packet would have. "Now" passes: the next connection of somebody else may take the turn.
    Route {
        /// The client's address and port.
        #[arg(long, value_name = "ADDRESS:PORT", value_parser = socket)]
        src: SocketAddr,
        /// The VIP and its port.
        #[arg(long, value_name = "VIP:PORT", value_parser = socket)]
        dst: SocketAddr,
        /// Id, name or beginning of the id; the pool with the VIP by default.
        #[arg(value_parser = name)]
        pool: Option<String>,
        /// How to print.
        #[arg(short, long, value_enum, default_value_t)]
        output: Output,
    },
    /// Show why packets were passed to the stack, refused or dropped, and how often.
    Drops {
        /// Id, name or beginning of the id; all pools by default.
        #[arg(value_parser = name)]
        pool: Option<String>,
        /// Reasons that never applied as well.
        #[arg(long)]
        all: bool,
        /// How to print.
        #[arg(short, long, value_enum, default_value_t)]
        output: Output,
    },
    /// Show how many NAT ports are in use and left towards each member.
    Ports {
        /// Id, name or beginning of the id; all pools by default.
        #[arg(value_parser = name)]
        pool: Option<String>,
        /// How to print.
        #[arg(short, long, value_enum, default_value_t)]
        output: Output,
    },
    /// Follow what happens to connections until Ctrl-C: a line for each that is opened, that ends, or that is refused.
    ///
    /// Only events from now on. A pool's events have one reader at a time.
    Events {
        /// Id, name or beginning of the id; all pools by default.
        #[arg(value_parser = name)]
        pool: Option<String>,
        /// How to print.
        #[arg(short, long, value_enum, default_value_t)]
        output: Lines,
    },
}

/// `qlb run`.
#[derive(Debug, clap::Args)]
pub struct Run {
    /// qlb YAML or a HAProxy conf; may be given several times.
    #[arg(short, long = "file", value_name = "FILE", required = true, num_args = 1..)]
    pub files: Vec<PathBuf>,
    /// Leave the datapath running at the end. Nothing expires then until the next `qlb run`.
    #[arg(long)]
    pub keep: bool,
    #[command(flatten)]
    pub at: AtDevice,
    /// Most connections of a pool that does not say so itself, ending ones included.
    #[arg(long, value_name = "N", default_value_t = 65_536, value_parser = clap::value_parser!(u32).range(1..=16_777_216))]
    pub max_connections: u32,
    /// What to do about cookie persistence.
    #[arg(long, value_name = "WHAT")]
    pub persistence_fallback: Option<Fallback>,
}

/// What is done at the VIP's device.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct AtDevice {
    /// By which hooks of the VIP's device to serve it; the log says why, and what a probe has proved.
    #[arg(long, value_enum, default_value_t)]
    pub attach: AttachChoice,
    /// Which hook of TC to attach to.
    #[arg(long, value_enum, default_value_t)]
    pub hook: HookChoice,
    /// How often to tell neighbours the MAC address of VIPs when they start (gratuitous ARP, neighbor advertisements); 0 is not at all.
    #[arg(long, value_name = "N", default_value_t = Rounds::default().0, value_parser = clap::value_parser!(u8).range(0..=i64::from(Rounds::MAX)))]
    pub announce: u8,
}

/// What replaces persistence by cookies, which a balancer below HTTP cannot see.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Fallback {
    /// Persistence by the client's address.
    SourceIp,
}

/// How a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Health {
    /// It answers, whatever its monitors find.
    Up,
    /// It does not.
    Down,
    /// As its monitors find it.
    Auto,
}

/// `qlb member`.
#[derive(Debug, Subcommand)]
pub enum Member {
    /// Add a member; new connections come to it at once.
    Add {
        /// Id, name or beginning of the id of the pool.
        #[arg(value_parser = name)]
        pool: String,
        /// The member's address, of the VIP's family.
        #[arg(long, value_parser = address)]
        address: IpAddr,
        /// The member's port.
        #[arg(long, value_parser = port, allow_negative_numbers = true)]
        port: Port,
        /// Its share of new connections, 0 to 256.
        #[arg(long, default_value = "1", value_parser = weight, allow_negative_numbers = true)]
        weight: Weight,
        /// Its id; address and port by default.
        #[arg(long, value_parser = Id::new)]
        id: Option<Id>,
        /// Give it new connections only while no other member could take them.
        #[arg(long)]
        backup: bool,
        /// Most connections at once; -1, the default, is no limit.
        #[arg(long, value_name = "N", value_parser = limit, allow_negative_numbers = true)]
        max_connections: Option<Limit>,
        /// How long it takes to get its whole share, in milliseconds; 0, the default, is at once.
        #[arg(long, value_name = "MS", value_parser = millis, allow_negative_numbers = true)]
        slow_start: Option<u32>,
        /// Whether it takes new connections.
        #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
        admin_state_up: bool,
    },
    /// Change a member.
    #[command(group(clap::ArgGroup::new("what").required(true).multiple(true).args(
        ["weight", "backup", "max_connections", "slow_start", "admin_state_up", "health"]
    )))]
    Set {
        /// Id, name or beginning of the id of the pool.
        #[arg(value_parser = name)]
        pool: String,
        /// Id, beginning of the id, or address:port of the member.
        #[arg(value_parser = name)]
        member: String,
        /// Its share of new connections, 0 to 256.
        #[arg(long, value_parser = weight, allow_negative_numbers = true)]
        weight: Option<Weight>,
        /// Whether it takes new connections only while no other member could.
        #[arg(long, value_name = "BOOL")]
        backup: Option<bool>,
        /// Most connections at once; -1 is no limit.
        #[arg(long, value_name = "N", value_parser = limit, allow_negative_numbers = true)]
        max_connections: Option<Limit>,
        /// How long it takes to get its whole share when it comes up, in milliseconds; 0 is at once.
        #[arg(long, value_name = "MS", value_parser = millis, allow_negative_numbers = true)]
        slow_start: Option<u32>,
        /// Whether it takes new connections.
        #[arg(long, value_name = "BOOL")]
        admin_state_up: Option<bool>,
        /// How it is, instead of what its monitors find, until `auto` lets them decide again. A member that is down takes no new connections; its existing ones go on, or are
        /// reset if the pool says `on_marked_down: shutdown-sessions`.
        #[arg(long, value_enum)]
        health: Option<Health>,
    },
    /// Send a member no new connections (weight 0); existing ones go on, for `drain_timeout` if the pool has one.
    Drain {
        /// Id, name or beginning of the id of the pool.
        #[arg(value_parser = name)]
        pool: String,
        /// Id, beginning of the id, or address:port of the member.
        #[arg(value_parser = name)]
        member: String,
    },
    /// Remove a member; its connections go on until they end, for `drain_timeout` if the pool has one.
    Remove {
        /// Id, name or beginning of the id of the pool.
        #[arg(value_parser = name)]
        pool: String,
        /// Id, beginning of the id, or address:port of the member.
        #[arg(value_parser = name)]
        member: String,
    },
    /// List the members.
    List {
        /// Id, name or beginning of the id of the pool.
        #[arg(value_parser = name)]
        pool: String,
        /// How to print.
        #[arg(short, long, value_enum, default_value_t)]
        output: Output,
    },
}
