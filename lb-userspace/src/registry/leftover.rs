//! What is below `/run/qlb` of pools that have no record: a start that was killed before it had written one.

use std::path::PathBuf;

use super::directory::NODE;
use super::file::{names, remove_all};
use super::{Registry, RegistryError};

/// A directory that belongs to no pool that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// Where it is.
    pub path: PathBuf,
    /// Whether it holds pins, and with them maps and programs; else it is one for a record.
    pub pins: bool,
}

impl Registry {
    /// The directories for pins and records that belong to no pool that is served, and to nobody who is about to serve one.
    ///
    /// # Errors
    /// When a directory or a record cannot be read.
    pub fn leftovers(&self) -> Result<Vec<Leftover>, RegistryError> {
        let mut found = Vec::new();
        let mut pins = self.pinned()?;
        for name in names(&self.root.join("pools"))? {
            if let Some(record) = self.record(&name)? {
                let own = [self.pins(&record), self.links(&record)];
                pins.retain(|pin| !own.contains(pin));
            } else if self.controller(&name).is_none() {
                found.push(Leftover { path: self.directory(&name), pins: false });
            }
        }
        // What goes with a directory above it need not be named.
        let above = pins.clone();
        pins.retain(|pin| !above.iter().any(|other| pin != other && pin.starts_with(other)));
        found.extend(pins.into_iter().map(|path| Leftover { path, pins: true }));
        Ok(found)
    }

    /// The directories that may hold pins.
    fn pinned(&self) -> Result<Vec<PathBuf>, RegistryError> {
        let within = |directory: PathBuf| -> Result<Vec<PathBuf>, RegistryError> {
            // No pin has a dot in its name; what has is the kernel's.
            let names = names(&directory)?.into_iter().filter(|name| !name.contains('.'));
            Ok(names.map(|name| directory.join(name)).filter(|path| path.is_dir()).collect())
        };
        let mut pinned = within(self.bpffs())?;
        pinned.extend(within(self.bpffs().join(NODE))?);
        Ok(pinned)
    }

    /// Removes what [`Registry::leftovers`] has found. The lock must be held.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn clear(&self, leftover: &Leftover) -> Result<(), RegistryError> {
        remove_all(&leftover.path)
    }
}
