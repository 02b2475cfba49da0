//! Why the controller does not do what was asked.

use std::io;
use std::net::{IpAddr, SocketAddr};

use thiserror::Error;

use crate::config::{ConfigError, Refusal, model::Violation};
use crate::datapath::DatapathError;
use crate::haproxy::SocketError;
use crate::monitor::MonitorError;
use crate::node::NodeError;
use crate::registry::RegistryError;

/// Why a pool is not served, or a member not changed.
#[derive(Debug, Error)]
pub enum ControlError {
    /// A file could not be read or is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Whoever passed on the events of a pool does not any more.
    #[error("the process that passed on the pool's events has ended")]
    CutOff,
    /// A stats socket cannot be had.
    #[error(transparent)]
    StatsSocket(#[from] SocketError),
    /// The pool asks for what the datapath does not do.
    #[error("pool {pool} is not served:\n{}", lines(.refusals))]
    NotServable {
        /// The pool.
        pool: String,
        /// Each reason.
        refusals: Vec<Refusal>,
    },
    /// A file has lines that cannot be honoured.
    #[error(
        "{file} has lines that qlb cannot honour:\n{lines}\nleave this pool on HAProxy, or see `qlb import --help`"
    )]
    Unsupported {
        /// The file.
        file: String,
        /// The findings.
        lines: String,
    },
    /// A pool could not be brought into service.
    #[error("cannot serve pool {pool}")]
    Serve {
        /// The pool.
        pool: String,
        /// Why not.
        source: Box<Self>,
    },
    /// No file declares a pool.
    #[error("there is no pool in {0}; nothing to serve")]
    NoPools(String),
    /// Two of the given files declare the same pool.
    #[error("pool {0} is declared twice; name each pool in one file")]
    Twice(String),
    /// The change would make the pool invalid.
    #[error("pool {pool} would be invalid:\n{}", broken(.violations))]
    Invalid {
        /// The pool.
        pool: String,
        /// Each broken rule.
        violations: Vec<Violation>,
    },
    /// A member is not on the link of the VIP's device, and has to be.
    #[error(
        "member {member} of pool {pool}: {address} {problem}, and `mode: dsr` needs every member on the link of {device}, the VIP's device; give the member's address there, or write `mode: dnat`"
    )]
    OffLink {
        /// The pool.
        pool: String,
        /// The member.
        member: String,
        /// Its address.
        address: IpAddr,
        /// Where it is instead.
        problem: &'static str,
        /// The VIP's device.
        device: String,
    },
    /// No member of the pool is meant.
    #[error("pool {pool} has no member `{member}`; `qlb member list {pool}` shows those it has")]
    NoMember {
        /// The pool.
        pool: String,
        /// What was asked for.
        member: String,
    },
    /// Several members begin like that.
    #[error("`{member}` could be any of {}; write the id, or more of it", .candidates.join(", "))]
    AmbiguousMember {
        /// What was asked for.
        member: String,
        /// What it could be.
        candidates: Vec<String>,
    },
    /// Every index of the maps is in use.
    #[error("pool {0} has no room for another member while connections to removed ones live on")]
    NoIndex(String),
    /// The pool is served in a namespace that has no name.
    #[error(
        "pool {pool} is served on {device} of a namespace without a name; run this command in that namespace"
    )]
    Elsewhere {
        /// The pool.
        pool: String,
        /// The device.
        device: String,
    },
    /// The datapath of the pool was loaded by a qlb that could not be asked.
    #[error(
        "pool {0} was brought up by a qlb that cannot say where a connection would go; start `qlb run` of this version on its file: it takes over without touching a connection"
    )]
    NoRouter(String),
    /// A connection has one family.
    #[error(
        "no packet goes from {src} to {dst}: one is IPv4 and one IPv6; write both in the VIP's family"
    )]
    TwoFamilies {
        /// The client.
        src: SocketAddr,
        /// The VIP.
        dst: SocketAddr,
    },
    /// Something that a hook needs is missing.
    #[error(
        "{device} cannot be served by {hook} as things are:\n{}\nor leave it to TC with `--attach tc`",
        .needs.iter().map(|need| format!("  {need}")).collect::<Vec<_>>().join("\n")
    )]
    Unfit {
        /// The device.
        device: String,
        /// The hook.
        hook: &'static str,
        /// What is missing, each with what to do.
        needs: Vec<String>,
    },
    /// The self-test of an attachment failed.
    #[error("the self-test failed: a probe that the datapath sends by {device} {what}")]
    Probe {
        /// The device.
        device: String,
        /// What became of it.
        what: String,
    },
    /// Every pool of the controller has lost its device.
    #[error("no pool is served any more")]
    NothingLeft,
    /// The node is not as needed.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The records are not as needed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The datapath failed.
    #[error(transparent)]
    Datapath(#[from] DatapathError),
    /// A monitor cannot be run.
    #[error(transparent)]
    Monitor(#[from] MonitorError),
    /// What was found could not be told.
    #[error("cannot write")]
    Tell(#[source] io::Error),
    /// The process could not be prepared for its work.
    #[error("cannot start")]
    Start(#[source] io::Error),
}

impl ControlError {
    /// The error and its causes, for a log line.
    pub fn chain(&self) -> String {
        let causes = std::iter::successors(Some(self as &dyn std::error::Error), |e| e.source());
        causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
    }

    /// The exit code: 2 for what the operator wrote, 4 for what qlb will not do, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Serve { source, .. } => source.exit_code(),
            Self::Config(_)
            | Self::NotServable { .. }
            | Self::Unsupported { .. }
            | Self::NoPools(_)
            | Self::Twice(_)
            | Self::Invalid { .. }
            | Self::TwoFamilies { .. }
            | Self::Monitor(MonitorError::Authorities { .. }) => 2,
            Self::OffLink { .. }
            | Self::NoMember { .. }
            | Self::AmbiguousMember { .. }
            | Self::NoIndex(_)
            | Self::Elsewhere { .. }
            | Self::NoRouter(_)
            | Self::Unfit { .. }
            | Self::StatsSocket(SocketError::Live(_) | SocketError::Foreign(_))
            | Self::Registry(
                RegistryError::Busy { .. }
                | RegistryError::Agent { .. }
                | RegistryError::Heard { .. }
                | RegistryError::VipTaken { .. }
                | RegistryError::NoPool(_)
                | RegistryError::Ambiguous { .. }
                | RegistryError::NoVip(_)
                | RegistryError::SeveralVips { .. }
                | RegistryError::Layout { .. },
            ) => 4,
            Self::NothingLeft
            | Self::CutOff
            | Self::Probe { .. }
            | Self::Node(_)
            | Self::StatsSocket(SocketError::Io { .. })
            | Self::Registry(_)
            | Self::Datapath(_)
            | Self::Monitor(MonitorError::Start(_))
            | Self::Tell(_)
            | Self::Start(_) => 1,
        }
    }
}

fn lines(refusals: &[Refusal]) -> String {
    let lines: Vec<String> = refusals.iter().map(|refusal| format!("  {refusal}")).collect();
    lines.join("\n")
}

fn broken(violations: &[Violation]) -> String {
    let line = |violation: &Violation| format!("  {}", violation.message);
    let lines: Vec<String> = violations.iter().map(line).collect();
    lines.join("\n")
}
