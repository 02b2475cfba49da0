//! Why the agent gives no answer.

use std::path::PathBuf;

use thiserror::Error;

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Nobody answers at the socket.
    #[error("cannot reach the agent at {}: {reason}; {help}", .path.display())]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// Why not.
        reason: String,
        /// What to do.
        help: &'static str,
    },
    /// The agent does not do what was asked.
    #[error("{text}")]
    Refused {
        /// What it says.
        text: String,
        /// The exit code that goes with it.
        exit_code: u8,
        /// The HTTP status.
        status: u16,
        /// Its word for programs.
        code: String,
    },
    /// What answers is no agent.
    #[error("{} answers what no agent does: {reason}; is --socket right?", .path.display())]
    Strange {
        /// The socket.
        path: PathBuf,
        /// What it answers.
        reason: String,
    },
}

impl ClientError {
    /// The exit code of a command that ends with this.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Unreachable { .. } => 3,
            Self::Refused { exit_code, .. } => *exit_code,
            Self::Strange { .. } => 1,
        }
    }
}
