//! What can go wrong between user space and the datapath.

use std::io;
use std::path::PathBuf;

use aya::{
    EbpfError,
    maps::MapError,
    pin::PinError,
    programs::{ProgramError, links::LinkError},
};
use thiserror::Error;

use crate::node::NodeError;

/// Why the datapath could not be loaded, attached, filled or read.
#[derive(Debug, Error)]
pub enum DatapathError {
    /// The object could not be loaded into the kernel.
    #[error("cannot load the BPF object; it needs CAP_BPF and Linux 6.1 or newer")]
    Load(#[source] Box<EbpfError>),
    /// The object lacks a program.
    #[error("the BPF object has no program `{0}`; rebuild it with `cargo xtask build`")]
    NoProgram(&'static str),
    /// The object or the pins lack a map.
    #[error("there is no BPF map `{0}`")]
    NoMap(&'static str),
    /// The kernel did not accept a program.
    #[error("the kernel does not accept the BPF program `{program}`")]
    Program {
        /// Its name.
        program: &'static str,
        /// What the kernel said.
        source: Box<ProgramError>,
    },
    /// A program could not be attached to a device.
    #[error("cannot attach to device {device} by {hook}")]
    Attach {
        /// The device.
        device: String,
        /// `tcx`, `clsact` or `native XDP`.
        hook: &'static str,
        /// What the kernel said.
        source: Box<ProgramError>,
    },
    /// An attachment could not be taken over, pinned or detached.
    #[error("cannot change the attachment")]
    Link(#[from] LinkError),
    /// The device's qdisc or filters could not be read or changed.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// Something could not be pinned.
    #[error("cannot pin below {path}; is it a bpffs?")]
    Pin {
        /// Where.
        path: PathBuf,
        /// What the kernel said.
        source: PinError,
    },
    /// A pin could not take the place of an earlier one.
    #[error("cannot replace {path}")]
    Repin {
        /// Which.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A program that was run gave no answer.
    #[error("the BPF program `{0}` did not answer; please report it")]
    NoAnswer(&'static str),
    /// A file of the bpffs could not be removed.
    #[error("cannot remove {path}")]
    Unpin {
        /// Which.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The datapath's clock could not be read.
    #[error("cannot read the clock")]
    Clock(#[source] io::Error),
    /// The kernel did not let the probe be rewritten.
    #[error("the datapath cannot rewrite its probe")]
    Probe,
    /// A map could not be opened, read or written.
    #[error("cannot access BPF map `{map}`")]
    Map {
        /// Its name.
        map: &'static str,
        /// What the kernel said.
        source: Box<MapError>,
    },
}
