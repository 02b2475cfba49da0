//! The desired state: a directory of qlb YAML files, one for each load balancer or pool.
//!
//! Files are replaced as a whole and reach the disk before anybody is told so. A file that cannot be read takes nothing
//! away: its pools stay as they are until it can be.

mod error;
mod read;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub use error::StoreError;
pub(in crate::agent) use read::Fingerprint;
pub(in crate::agent) use write::Change;

use crate::config::PoolSpec;

/// The directory.
#[derive(Clone, Debug)]
pub(in crate::agent) struct Store {
    dir: PathBuf,
}

/// What the directory says.
#[derive(Debug, Default)]
pub(in crate::agent) struct Desired {
    /// The pools by id, in files that can be read.
    pub(in crate::agent) pools: BTreeMap<String, Declared>,
    /// What is wrong with files, each text beginning with file and line.
    pub(in crate::agent) problems: Vec<Problem>,
}

/// A pool and the file that declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::agent) struct Declared {
    /// The pool.
    pub(in crate::agent) pool: PoolSpec,
    /// Its file.
    pub(in crate::agent) file: PathBuf,
}

/// A file that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::agent) struct Problem {
    /// Which.
    pub(in crate::agent) file: PathBuf,
    /// The pool that is refused; none if nothing of the file could be read, so that nobody knows which pools it means.
    pub(in crate::agent) pool: Option<String>,
    /// What is wrong and what to do.
    pub(in crate::agent) text: String,
}

impl Desired {
    /// The files that say nothing because they are wrong.
    pub(in crate::agent) fn unreadable(&self) -> BTreeSet<&Path> {
        let whole = self.problems.iter().filter(|problem| problem.pool.is_none());
        whole.map(|problem| problem.file.as_path()).collect()
    }
}

impl Store {
    /// Where it is.
    #[must_use]
    pub(in crate::agent) fn dir(&self) -> &Path {
        &self.dir
    }
}

#[cfg(test)]
mod tests;
