use std::io;
use std::time::Duration;

use nix::errno::Errno;

/// Why a piece of the harness could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Namespaces, mounts and raw sockets need uid 0 (user_namespaces(7) are not used).
    #[error("needs root: {0}; run it again as root or with sudo")]
    NeedsRoot(String),

    /// Refused so that a test can never change the machine it runs on.
    #[error("not inside a sandbox: start this program through qlb-sandbox")]
    NotSandboxed,

    /// A file, process or socket operation failed.
    #[error("{what}: {source}")]
    Io {
        /// The operation and its object.
        what: String,
        /// The kernel's answer.
        source: io::Error,
    },

    /// A network namespace could not be made, opened or removed.
    #[error("network namespace {name}: {source}")]
    Netns {
        /// Name below /run/netns.
        name: String,
        /// What netns-rs reports.
        source: netns_rs::Error,
    },

    /// The kernel refused a route netlink request.
    #[error("{what}: {source}")]
    Netlink {
        /// The request and its object.
        what: String,
        /// What the kernel answered.
        source: rtnetlink::Error,
    },

    /// A condition did not come true before its deadline.
    #[error("never came true within {after:?}: {what}{detail}")]
    NeverTrue {
        /// The condition in words.
        what: String,
        /// The deadline that passed.
        after: Duration,
        /// What the last attempt saw, with its own separator, or nothing.
        detail: String,
    },

    /// A program ran and failed, or a started one ended by itself.
    #[error("{program} ended with {status}: {output}")]
    Program {
        /// Command line.
        program: String,
        /// Exit status in words.
        status: String,
        /// What it wrote.
        output: String,
    },

    /// Something answered in a form the harness does not understand.
    #[error("{what}: unexpected {found:?}")]
    Unexpected {
        /// Who answered.
        what: String,
        /// The answer.
        found: String,
    },

    /// Packets on the wire carry checksums the receiver rejects.
    #[error("bad checksums in {file}:\n{lines}")]
    BadChecksums {
        /// The capture.
        file: String,
        /// tcpdump's lines about the offending packets.
        lines: String,
    },
}

/// Attaches the operation and its object to a failed system call.
pub(crate) trait Context<T> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T> Context<T> for io::Result<T> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|source| Error::Io { what: what(), source })
    }
}

impl<T> Context<T> for nix::Result<T> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|errno: Errno| Error::Io { what: what(), source: errno.into() })
    }
}

impl<T> Context<T> for Result<T, rtnetlink::Error> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|source| Error::Netlink { what: what(), source })
    }
}
