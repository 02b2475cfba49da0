//! Locks on files that may be removed by their last user.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// An exclusive lock, held until dropped.
#[derive(Debug)]
pub struct Lock(Flock<File>);

impl Lock {
    /// Whether the locked file is still the one at `path`.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        is_at(&self.0, path)
    }

    /// Waits for the lock on `path`, and makes the file if it is not there.
    ///
    /// # Errors
    /// When the file cannot be opened or locked.
    pub fn wait(path: &Path) -> io::Result<Self> {
        Self::opened(path, open)
    }

    /// As [`Lock::wait`] where the file is there.
    ///
    /// # Errors
    /// As for [`Lock::wait`].
    pub(super) fn wait_for(path: &Path) -> io::Result<Self> {
        Self::opened(path, |path| File::options().read(true).write(true).open(path))
    }

    fn opened(path: &Path, open: impl Fn(&Path) -> io::Result<File>) -> io::Result<Self> {
        loop {
            let file = open(path)?;
            let locked = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, e)| e)?;
            // Whoever held the lock may have removed the file, and another may be there now.
            if is_at(&locked, path) {
                return Ok(Self(locked));
            }
        }
    }

    /// Takes the lock on `path` if it is free, and writes this process's id into the file.
    ///
    /// # Errors
    /// When the file cannot be opened or locked.
    pub fn claim(path: &Path) -> io::Result<Result<Self, Holder>> {
        loop {
            let file = open(path)?;
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(locked) if is_at(&locked, path) => {
                    locked.set_len(0)?;
                    write!(&*locked, "{}", std::process::id())?;
                    return Ok(Ok(Self(locked)));
                }
                Ok(_) => {}
                Err((mut file, Errno::EWOULDBLOCK)) => {
                    let mut pid = String::new();
                    file.read_to_string(&mut pid)?;
                    return Ok(Err(Holder(pid)));
                }
                Err((_, error)) => return Err(error.into()),
            }
        }
    }
}

/// The process that holds the lock on `path`, if any does.
pub(super) fn holder(path: &Path) -> Option<Holder> {
    let file = File::open(path).ok()?;
    match Flock::lock(file, FlockArg::LockSharedNonblock) {
        Err((mut file, Errno::EWOULDBLOCK)) => {
            let mut pid = String::new();
            file.read_to_string(&mut pid).ok()?;
            Some(Holder(pid))
        }
        Ok(_) | Err(_) => None,
    }
}

/// The process that holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder(pub String);

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

fn is_at(file: &File, path: &Path) -> bool {
    let there = path.metadata().map(|data| (data.dev(), data.ino())).ok();
    there.is_some() && there == file.metadata().map(|data| (data.dev(), data.ino())).ok()
}
