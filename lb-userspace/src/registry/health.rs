//! What monitors have found, beside the record of the pool: whoever serves the pool next goes on from there.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;

use super::file::{malformed, read, replace};
use super::{Registry, RegistryError};
use crate::monitor::PoolHealth;

/// Tells one writing of a record from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    inode: u64,
    changed: (i64, i64),
}

impl Registry {
    /// What the monitors of a pool have found; nothing if it has none, or its record is of another version.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn health(&self, pool: &str) -> Result<PoolHealth, RegistryError> {
        let text = read(&self.directory(pool).join("health"))?;
        Ok(text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default())
    }

    /// Writes down what the monitors have found; a reader sees the old or the new. A pool that has ended
    /// meanwhile needs it no more.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_health(&self, pool: &str, health: &PoolHealth) -> Result<(), RegistryError> {
        let path = self.directory(pool).join("health");
        match replace(&path, &serde_json::to_vec(health).map_err(malformed(&path))?) {
            Err(RegistryError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(())
            }
            done => done,
        }
    }

    /// Which writing of a pool's record there is; none if it is not served.
    pub fn stamp(&self, pool: &str) -> Option<Stamp> {
        let data = fs::metadata(self.record_file(pool)).ok()?;
        Some(Stamp { inode: data.ino(), changed: (data.mtime(), data.mtime_nsec()) })
    }
}
