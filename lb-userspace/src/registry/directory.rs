//! The directories that hold the records and pins.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::lock::holder;
use super::{Lock, Record, RegistryError};
use crate::node::{mount_bpffs, unmount_bpffs};

/// The records of this node.
#[derive(Clone, Debug)]
pub struct Registry {
    pub(super) root: PathBuf,
}

impl Default for Registry {
    fn default() -> Self {
        Self { root: PathBuf::from("/run/qlb") }
    }
}

impl Registry {
    /// Makes the directories and mounts the bpffs, and takes the lock on changes.
    ///
    /// # Errors
    /// When something cannot be made.
    pub fn open(&self) -> Result<Lock, RegistryError> {
        let lock = loop {
            fs::create_dir_all(&self.root).map_err(failed("make", &self.root))?;
            match self.lock() {
                // The last user left between the two, and took the directory along.
                Err(RegistryError::Io { source, .. })
                    if source.kind() == io::ErrorKind::NotFound => {}
                lock => break lock?,
            }
        };
        for path in [self.bpffs(), self.root.join("pools")] {
            fs::create_dir_all(&path).map_err(failed("make", &path))?;
        }
        mount_bpffs(&self.bpffs())?;
        Ok(lock)
    }

    /// Takes the lock on changes.
    ///
    /// # Errors
    /// When there is nothing to lock: no pool is or was served.
    pub fn lock(&self) -> Result<Lock, RegistryError> {
        let path = self.root.join("lock");
        Lock::wait(&path).map_err(failed("lock", &path))
    }

    /// Where the pins of a pool are.
    pub fn pins(&self, pool: &str) -> PathBuf {
        self.bpffs().join(pin_name(pool))
    }

    /// Claims the pool for this process.
    ///
    /// # Errors
    /// When another process has it.
    pub fn claim(&self, pool: &str) -> Result<Lock, RegistryError> {
        let directory = self.directory(pool);
        fs::create_dir_all(&directory).map_err(failed("make", &directory))?;
        let path = directory.join("controller");
        match Lock::claim(&path).map_err(failed("lock", &path))? {
            Ok(lock) => Ok(lock),
            Err(holder) => Err(RegistryError::Busy { pool: pool.to_owned(), pid: holder.0 }),
        }
    }

    /// Claims the pool's events for this process. They need not be given back: the claim ends with the lock.
    ///
    /// # Errors
    /// When another process has them.
    pub fn listen(&self, pool: &str) -> Result<Lock, RegistryError> {
        let path = self.listener(pool);
        match Lock::claim(&path).map_err(failed("lock", &path))? {
            Ok(lock) => Ok(lock),
            Err(holder) => Err(RegistryError::Heard { pool: pool.to_owned(), pid: holder.0 }),
        }
    }

    /// Whether a claim on the pool's events still is one: a pool that ends takes it along.
    pub fn is_listener(&self, pool: &str, claim: &Lock) -> bool {
        claim.is_at(&self.listener(pool))
    }

    /// The id of the process that expires the pool's connections; none if nobody does.
    pub fn controller(&self, pool: &str) -> Option<String> {
        holder(&self.directory(pool).join("controller")).map(|holder| holder.0)
    }

    /// Writes a record; a reader sees the old one or the new one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put(&self, pool: &str, record: &Record) -> Result<(), RegistryError> {
        let directory = self.directory(pool);
        let (path, new) = (directory.join("record"), directory.join("record.new"));
        let text = serde_json::to_vec_pretty(record)
            .map_err(|source| RegistryError::Format { path: path.clone(), source })?;
        fs::write(&new, text).map_err(failed("write", &new))?;
        fs::rename(&new, &path).map_err(failed("write", &path))
    }

    /// Forgets a pool: its record and its pins; with the last one, everything.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn remove(&self, pool: &str) -> Result<(), RegistryError> {
        self.discard(pool)?;
        self.tidy()
    }

    /// Forgets a pool, and leaves the directories for those that come.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn discard(&self, pool: &str) -> Result<(), RegistryError> {
        self.forget(pool)?;
        remove_all(&self.directory(pool))
    }

    /// Takes back the claim on a pool that is not served. The lock must be held.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn release(&self, pool: &str) -> Result<(), RegistryError> {
        let directory = self.directory(pool);
        if directory.join("record").exists() { Ok(()) } else { remove_all(&directory) }
    }

    /// Forgets a pool's record and pins; a claim on it stays.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn forget(&self, pool: &str) -> Result<(), RegistryError> {
        remove_all(&self.pins(pool))?;
        let record = self.directory(pool).join("record");
        match fs::remove_file(&record) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed("remove", &record)(error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Removes everything if no pool is left. The lock must be held.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn tidy(&self) -> Result<(), RegistryError> {
        if fs::remove_dir(self.root.join("pools")).is_err() {
            return Ok(());
        }
        unmount_bpffs(&self.bpffs())?;
        fs::remove_dir_all(&self.root).map_err(failed("remove", &self.root))
    }

    pub(super) fn directory(&self, pool: &str) -> PathBuf {
        self.root.join("pools").join(pool)
    }

    fn listener(&self, pool: &str) -> PathBuf {
        self.directory(pool).join("listener")
    }

    fn bpffs(&self) -> PathBuf {
        self.root.join("bpf")
    }
}

fn remove_all(directory: &Path) -> Result<(), RegistryError> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(failed("remove", directory)(error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// A bpffs does not take names with dots, which ids may have; `%` is in no id.
fn pin_name(pool: &str) -> String {
    pool.replace('.', "%")
}

pub(super) fn failed(what: &'static str, path: &Path) -> impl Fn(io::Error) -> RegistryError {
    move |source| RegistryError::Io { what, path: path.to_owned(), source }
}
