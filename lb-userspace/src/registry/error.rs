//! What can be wrong with the records of this node.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use thiserror::Error;

use crate::node::NodeError;

/// Why a record cannot be found, read or written.
#[derive(Debug, Error)]
pub enum RegistryError {
    /// A file could not be used.
    #[error("cannot {what} {path}")]
    Io {
        /// What was wanted.
        what: &'static str,
        /// Of which file or directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A record is not what this version writes.
    #[error("{path} is not a record of this version; end the old qlb, or remove its pins by hand")]
    Format {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A record belongs to maps of another layout.
    #[error(
        "pool {pool} is served with map layout {found}, and this qlb has layout {wanted}; end it with the qlb that started it"
    )]
    Layout {
        /// The pool.
        pool: String,
        /// The layout of its maps.
        found: u32,
        /// The layout of this program.
        wanted: u32,
    },
    /// Another process reaps the pool.
    #[error("pool {pool} has a controller already, process {pid}; stop that one first")]
    Busy {
        /// The pool.
        pool: String,
        /// The process.
        pid: String,
    },
    /// Another process is the agent.
    #[error(
        "an agent runs on this node already, process {pid}; replace it with `qlb agent --upgrade`, or stop it first: its pools stay served"
    )]
    Agent {
        /// The process.
        pid: String,
    },
    /// Another process follows the pool's events.
    #[error(
        "the events of pool {pool} are followed already, by process {pid}; their ring has one reader"
    )]
    Heard {
        /// The pool.
        pool: String,
        /// The process.
        pid: String,
    },
    /// The VIP belongs to another pool.
    #[error(
        "pool {pool} cannot have {vip}, which is that of pool {other}; end that one first (`qlb stop {other}` if it has no controller), or take another port"
    )]
    VipTaken {
        /// The pool.
        pool: String,
        /// Address and port of the VIP.
        vip: SocketAddr,
        /// The pool that has it.
        other: String,
    },
    /// No pool has such an id or name.
    #[error("no pool `{0}` is served on this node; `qlb status` lists those that are")]
    NoPool(String),
    /// Several pools begin like that.
    #[error("`{name}` could be any of {}; write the id, or more of it", .candidates.join(", "))]
    Ambiguous {
        /// What was asked for.
        name: String,
        /// What it could be.
        candidates: Vec<String>,
    },
    /// No pool has such a VIP.
    #[error(
        "no pool with the VIP {0} is served on this node; `qlb status` lists those that are, and naming a pool asks that one whatever the address"
    )]
    NoVip(IpAddr),
    /// Pools in several namespaces have the VIP.
    #[error("the VIP {vip} is that of pools {}; name the one that is meant", .pools.join(" and "))]
    SeveralVips {
        /// The VIP.
        vip: IpAddr,
        /// The pools.
        pools: Vec<String>,
    },
    /// The bpffs could not be mounted.
    #[error(transparent)]
    Node(#[from] NodeError),
}
