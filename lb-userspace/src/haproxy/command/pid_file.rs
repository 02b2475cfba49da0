//! The file that whoever deploys HAProxy finds the process by.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// A file that can be written. Dropped before it was, it is as it was before.
#[derive(Debug)]
pub(super) struct PidFile {
    path: PathBuf,
    file: File,
    is_new: bool,
}

impl PidFile {
    /// Opens it, without changing what is in it.
    ///
    /// # Errors
    /// When it cannot be opened for writing.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let is_new = !path.exists();
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        Ok(Self { path: path.to_owned(), file, is_new })
    }

    /// Writes the id of the process, the only one.
    ///
    /// # Errors
    /// When that fails.
    pub(super) fn write(mut self, pid: i32) -> io::Result<()> {
        self.file.set_len(0)?;
        writeln!(self.file, "{pid}")?;
        self.is_new = false;
        Ok(())
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if self.is_new {
            // Somebody else may have done so.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_at_the_end_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pid");
        drop(PidFile::open(&path).unwrap());
        assert!(!path.exists());
        fs::write(&path, "17323\n4\n").unwrap();
        let file = PidFile::open(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "17323\n4\n");
        file.write(5).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "5\n");
        assert!(PidFile::open(&dir.path().join("gone/pid")).is_err());
    }
}
