use std::io;

use lb_userspace::datapath::DatapathError;

use crate::datapath;

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused something of the harness program.
    #[error("cannot {what}: {source}")]
    Bpf {
        /// What was to be done.
        what: &'static str,
        /// The kernel's answer, and the verifier's.
        source: io::Error,
    },

    /// The datapath could not be driven.
    #[error(transparent)]
    Datapath(#[from] datapath::Error),

    /// A map of it could not be read.
    #[error("cannot read the maps of the program under test: {0}")]
    Maps(#[from] DatapathError),

    /// Packets took another way than was to be measured.
    #[error("{path}: {count} packets were to count {wanted}, and counted {found}")]
    Path {
        /// What was to be measured.
        path: String,
        /// How many packets came.
        count: u64,
        /// The counters that were to grow by as much.
        wanted: String,
        /// Those that grew.
        found: String,
    },

    /// The machine that counts instructions and the kernel did not make the same of a packet.
    #[error("{path}: counted {steps:?}, and the kernel makes {kernel:02x?} of it")]
    Steps {
        /// What was to be counted.
        path: String,
        /// What the machine made of the packet.
        steps: Box<crate::steps::Steps>,
        /// The frame that the kernel's programs have left.
        kernel: Vec<u8>,
    },

    /// A program returned something else than what its path ends with.
    #[error("{path}: the last of the packets became {found}")]
    Verdict {
        /// What was to be measured.
        path: String,
        /// The program's return value.
        found: u32,
    },

    /// There are fewer connections than were opened.
    #[error("{found} connections are there of {wanted}")]
    Connections {
        /// How many there were to be.
        wanted: usize,
        /// How many there are.
        found: usize,
    },

    /// The datapath was loaded without the program that is counted.
    #[error("the program of this way is not loaded")]
    NotLoaded,

    /// A curve could not be drawn.
    #[error("cannot draw {file}: {why}")]
    Draw {
        /// Where it was to be.
        file: String,
        /// Why not.
        why: String,
    },

    /// This process could not be kept on one CPU.
    #[error("cannot stay on one CPU: {0}")]
    Pin(nix::errno::Errno),

    /// Nobody reads any more.
    #[error("writing the figures: {0}")]
    Output(#[from] io::Error),
}

impl Error {
    /// Names what the kernel refused.
    pub(super) fn bpf(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Bpf { what, source }
    }
}
