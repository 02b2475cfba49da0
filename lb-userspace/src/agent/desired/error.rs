//! Why the desired state cannot be read or written.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// A file or the directory could not be used. Nothing was changed.
#[derive(Debug, Error)]
#[error("cannot {what} {}: {source}; {}", .path.display(), help(.source))]
pub struct StoreError {
    /// What was wanted.
    pub what: &'static str,
    /// Of which file or directory.
    pub path: PathBuf,
    /// Why not.
    #[source]
    pub source: io::Error,
}

impl StoreError {
    /// Whether there is no room for what was to be written.
    #[must_use]
    pub fn is_full(&self) -> bool {
        is_full(&self.source)
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "of dozens of kinds, a few need advice")]
fn help(error: &io::Error) -> &'static str {
    match error.kind() {
        _ if is_full(error) => "nothing was changed; make room on that file system and try again",
        io::ErrorKind::NotFound => {
            "nothing was changed; make the directory, or name another one with --state-dir"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "nothing was changed; the directory has to be the agent's own (owner root, mode 0750)"
        }
        _ => "nothing was changed",
    }
}

pub(super) fn failed(
    what: &'static str,
    path: impl Into<PathBuf>,
) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.into();
    move |source| StoreError { what, path, source }
}
