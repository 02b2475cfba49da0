use std::io;

use crate::Error;

/// Why the demonstration could not be told to its end.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A program, a namespace or a device did not do its part.
    #[error(transparent)]
    Harness(#[from] Error),

    /// Whoever reads the story is gone.
    #[error("writing the story: {0}")]
    Output(#[from] io::Error),

    /// The user has seen enough.
    #[error("interrupted by signal {0}")]
    Interrupted(u8),

    /// `qlb` answers JSON of another form than its documentation promises.
    #[error("{command}: no {field} in {answer}; this demonstration reads apiVersion qlb/v1")]
    Answer {
        /// The command that answered.
        command: String,
        /// Where the value should have been, as a JSON pointer (RFC 6901).
        field: String,
        /// The part of the answer it was looked for in.
        answer: String,
    },
}
