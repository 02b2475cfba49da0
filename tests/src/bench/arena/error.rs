use std::io;

use aya::EbpfError;
use aya::programs::ProgramError;

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A namespace, a device or a program did not do its part.
    #[error(transparent)]
    Harness(#[from] crate::Error),

    /// A file of a peer's could not be written.
    #[error("writing a configuration: {0}")]
    Files(io::Error),

    /// The program that is compared with could not be loaded.
    #[error("the hairpin program: {0}")]
    Hairpin(String),

    /// A client heard something else than it should.
    #[error("{peer}, {load}: {found}")]
    Load {
        /// Who was measured.
        peer: &'static str,
        /// With what.
        load: &'static str,
        /// What went wrong.
        found: String,
    },

    /// The kernel does not say how busy it is.
    #[error("reading {file}: {source}")]
    Busy {
        /// What was read.
        file: String,
        /// Why it could not be.
        source: io::Error,
    },

    /// The kernel does not measure programs.
    #[error("kernel.bpf_stats_enabled: {0}")]
    Stats(#[from] aya::sys::SyscallError),

    /// Nobody reads any more.
    #[error("writing the figures: {0}")]
    Output(io::Error),
}

impl From<EbpfError> for Error {
    fn from(error: EbpfError) -> Self {
        Self::Hairpin(error.to_string())
    }
}

impl From<ProgramError> for Error {
    fn from(error: ProgramError) -> Self {
        Self::Hairpin(error.to_string())
    }
}
