//! Files of processes that stand for pools: what is in them is the business of who writes them.

use std::fs;
use std::path::PathBuf;

use super::file::{failed, names, remove, replace};
use super::{Registry, RegistryError};

impl Registry {
    /// The file of a process.
    #[must_use]
    pub fn stand_in(&self, pid: i32) -> PathBuf {
        self.stand_ins_directory().join(format!("{pid}.json"))
    }

    /// Every such file, with what is in it.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn stand_ins(&self) -> Result<Vec<(PathBuf, Vec<u8>)>, RegistryError> {
        let directory = self.stand_ins_directory();
        let mut found = Vec::new();
        for name in names(&directory)? {
            let path = directory.join(&name);
            if name.ends_with(".json") {
                let text = fs::read(&path).map_err(failed("read", &path))?;
                found.push((path, text));
            } else {
                // What a writer that was killed has left.
                remove(&path)?;
            }
        }
        Ok(found)
    }

    /// Writes the file of a process; a reader sees the old one or the new one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_stand_in(&self, pid: i32, text: &[u8]) -> Result<(), RegistryError> {
        let directory = self.stand_ins_directory();
        fs::create_dir_all(&directory).map_err(failed("make", &directory))?;
        replace(&self.stand_in(pid), text)
    }

    /// Removes the file of a process, and with the last one the directory.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove_stand_in(&self, pid: i32) -> Result<(), RegistryError> {
        remove(&self.stand_in(pid))?;
        // Others may be in it.
        let _ = fs::remove_dir(self.stand_ins_directory());
        Ok(())
    }

    fn stand_ins_directory(&self) -> PathBuf {
        self.root.join("stand-ins")
    }
}
