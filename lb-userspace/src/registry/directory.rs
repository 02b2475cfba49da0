//! The directories that hold the records and pins.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::file::{failed, malformed, names, remove, remove_all, replace};
use super::known::Known;
use super::lock::holder;
use super::{Lock, Record, RegistryError};
use crate::node::{mount_bpffs, unmount_bpffs};

/// The records of this node.
#[derive(Clone, Debug)]
pub struct Registry {
    pub(super) root: PathBuf,
    pub(super) known: Known,
}

impl Default for Registry {
    fn default() -> Self {
        Self::at(Path::new("/run/qlb"))
    }
}

impl Registry {
    /// Records in another directory than that of the node.
    #[must_use]
    pub fn at(root: &Path) -> Self {
        Self { root: root.to_owned(), known: Known::default() }
    }

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

    /// Where the pins of a pool's programs and maps are: those of the device that it is served at, by number of the
    /// namespace and index of the device, or those that devices of the node share.
    pub fn pins(&self, record: &Record) -> PathBuf {
        self.bpffs().join(home(record))
    }

    /// Where the pinned links to the device of a pool are.
    pub fn links(&self, record: &Record) -> PathBuf {
        let pins = self.pins(record);
        if record.shared { pins.join(site(record)) } else { pins }
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

    /// Claims the events at a pool's device for this process. They need not be given back: the claim ends with the lock.
    ///
    /// # Errors
    /// When another process has them, or the pool is ending.
    pub fn listen(&self, pool: &str, record: &Record) -> Result<Lock, RegistryError> {
        // Nobody would take the claim along.
        if !self.pins(record).exists() {
            return Err(RegistryError::NoPool(pool.to_owned()));
        }
        let path = self.listener(record);
        match Lock::claim(&path).map_err(failed("lock", &path))? {
            Ok(lock) => Ok(lock),
            Err(holder) => Err(RegistryError::Heard { pool: pool.to_owned(), pid: holder.0 }),
        }
    }

    /// Where a process that reads the events at a pool's device passes them on.
    pub fn relay(&self, record: &Record) -> PathBuf {
        self.root.join(format!("events-{}", home(record)))
    }

    /// Removes a claim on events that was made while the last pool there ended. The lock must be held.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn unlisten(&self, record: &Record) -> Result<(), RegistryError> {
        if self.pins(record).exists() {
            return Ok(());
        }
        remove(&self.listener(record))?;
        self.vacate()
    }

    /// Whether a claim on the events at a pool's device still is one: the last pool that ends takes it along.
    pub fn is_listener(&self, record: &Record, claim: &Lock) -> bool {
        claim.is_at(&self.listener(record))
    }

    /// The other pools that are served at the same device.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn beside(
        &self,
        pool: &str,
        record: &Record,
    ) -> Result<Vec<(String, Record)>, RegistryError> {
        let mut others = self.others(pool, &self.device(record))?;
        others.retain(|(_, other)| other.is_beside(record));
        Ok(others)
    }

    /// The other pools that are served by the same programs and maps.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn sharing(
        &self,
        pool: &str,
        record: &Record,
    ) -> Result<Vec<(String, Record)>, RegistryError> {
        if !record.shared {
            return self.beside(pool, record);
        }
        let mut others = self.others(pool, &self.node())?;
        others.retain(|(_, other)| other.shared);
        Ok(others)
    }

    /// The records of the pools with a marker in a directory, but for one.
    fn others(&self, pool: &str, markers: &Path) -> Result<Vec<(String, Record)>, RegistryError> {
        let mut others = Vec::new();
        for name in names(markers)?.into_iter().filter(|name| name != pool) {
            if let Some(record) = self.record(&name)? {
                others.push((name, record));
            }
        }
        Ok(others)
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
        let path = self.record_file(pool);
        replace(&path, &serde_json::to_vec_pretty(record).map_err(malformed(&path))?)?;
        self.markers(record).try_for_each(|directory| {
            let marker = directory.join(pool);
            if marker.exists() {
                return Ok(());
            }
            fs::create_dir_all(&directory).map_err(failed("make", &directory))?;
            fs::write(&marker, []).map_err(failed("write", &marker))
        })
    }

    /// Forgets a pool: its record and its pins; with the last one, everything. The lock must be held.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn remove(&self, pool: &str) -> Result<(), RegistryError> {
        self.discard(pool)?;
        self.tidy()
    }

    /// Forgets a pool, and leaves the directories for those that come. The lock must be held.
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
        if self.record_file(pool).exists() { Ok(()) } else { remove_all(&self.directory(pool)) }
    }

    /// Takes the lock on changes, if there is anything to lock.
    ///
    /// # Errors
    /// When it cannot be taken.
    pub fn lock_if_any(&self) -> Result<Option<Lock>, RegistryError> {
        let path = self.root.join("lock");
        match Lock::wait_for(&path) {
            // The last pool takes the lock along.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            lock => lock.map(Some).map_err(failed("lock", &path)),
        }
    }

    /// Forgets a pool's record, and whatever is pinned for it alone; a claim on it stays. The lock must be held.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn forget(&self, pool: &str) -> Result<(), RegistryError> {
        if let Some(record) = self.record(pool)? {
            for directory in self.markers(&record) {
                remove(&directory.join(pool))?;
                // It stays as long as another pool is there.
                let _ = fs::remove_dir(directory);
            }
            if !self.device(&record).exists() {
                self.unpin(&record)?;
            }
        }
        ["record", "health"].iter().try_for_each(|name| remove(&self.directory(pool).join(name)))
    }

    /// Removes whatever is pinned for the device of a pool, and what it shares with others unless there are any; and the
    /// claims that go with it.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn unpin(&self, record: &Record) -> Result<(), RegistryError> {
        remove_all(&self.links(record))?;
        if record.shared && self.node().exists() {
            return Ok(());
        }
        remove_all(&self.pins(record))?;
        remove(&self.relay(record))?;
        remove(&self.listener(record))?;
        if record.shared { remove(&self.ledger()) } else { Ok(()) }
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
        remove_all(&self.bpffs())?;
        remove_all(&self.root.join("devices"))?;
        remove_all(&self.node())?;
        remove(&self.ledger())?;
        self.vacate()
    }

    /// Removes the directory if nothing is in it but the lock, which must be held. An agent has files here, too.
    pub(super) fn vacate(&self) -> Result<(), RegistryError> {
        let entries = fs::read_dir(&self.root).map_err(failed("list", &self.root))?;
        if entries.flatten().any(|entry| entry.file_name() != "lock") {
            return Ok(());
        }
        remove_all(&self.root)
    }

    pub(super) fn directory(&self, pool: &str) -> PathBuf {
        self.root.join("pools").join(pool)
    }

    /// Where the names of the pools at a pool's device are.
    fn device(&self, record: &Record) -> PathBuf {
        self.root.join("devices").join(site(record))
    }

    /// Where the names of the pools are whose devices share programs and maps.
    pub(super) fn node(&self) -> PathBuf {
        self.root.join(NODE)
    }

    /// The directories in which a pool's name is.
    fn markers(&self, record: &Record) -> impl Iterator<Item = PathBuf> {
        let node = record.shared.then(|| self.node());
        [self.device(record)].into_iter().chain(node)
    }

    /// Where it is written down what places of shared maps were given out.
    pub(super) fn ledger(&self) -> PathBuf {
        self.root.join("ledger")
    }

    pub(super) fn record_file(&self, pool: &str) -> PathBuf {
        self.directory(pool).join("record")
    }

    fn listener(&self, record: &Record) -> PathBuf {
        self.root.join(format!("listener-{}", home(record)))
    }

    pub(super) fn bpffs(&self) -> PathBuf {
        self.root.join("bpf")
    }
}

/// The name of what devices of the node share.
pub(super) const NODE: &str = "node";

/// What tells the programs and maps of a pool from all others.
fn home(record: &Record) -> String {
    if record.shared { NODE.to_owned() } else { site(record) }
}

/// What tells a device from all others: a bpffs takes no names with dots.
pub(super) fn site(record: &Record) -> String {
    format!("{}-{}", record.netns, record.ifindex)
}
