//! Entering network namespaces.
//!
//! A namespace belongs to a thread: it goes there for a piece of work and then back, whatever becomes of the work.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use netns_rs::{NetNs, get_from_current_thread};
use nix::sched::{CloneFlags, setns};

use super::NodeError;

/// Where namespaces have their names.
const NAMES: &str = "/run/netns";
/// The network namespace of the first process.
const ROOT: &str = "/proc/1/ns/net";
/// That of the calling thread.
const OWN: &str = "/proc/thread-self/ns/net";

/// A network namespace to work in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    name: String,
    current: bool,
}

/// The name of the network namespace that this process was called in; none if it is that of the first process, or has no
/// name.
///
/// # Errors
/// When the own namespace cannot be looked at.
pub fn called_in() -> Result<Option<String>, NodeError> {
    let stands_for = |path: &Path| fs::metadata(path).map(|data| (data.dev(), data.ino()));
    let own = stands_for(Path::new(OWN))
        .map_err(|source| NodeError::Read { path: OWN.into(), source })?;
    if stands_for(Path::new(ROOT)).is_ok_and(|root| root == own) {
        return Ok(None);
    }
    let is_own = |place: &Place| stands_for(&place.path()).is_ok_and(|it| it == own);
    Ok(Place::all().find(is_own).map(|place| place.name))
}

/// Joins the network namespace of the first process. The process must have one thread only.
///
/// # Errors
/// When it cannot be joined.
pub fn enter_root_network() -> Result<(), NodeError> {
    let failed = |source| NodeError::Read { path: ROOT.into(), source };
    let file = File::open(ROOT).map_err(failed)?;
    setns(file, CloneFlags::CLONE_NEWNET).map_err(|errno| failed(errno.into()))
}

impl Place {
    /// The namespace `name` of /run/netns; an empty name is the current one.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), current: name.is_empty() }
    }

    /// The namespace `name` if there is one, else the current one.
    pub fn named_or_current(name: &str) -> Self {
        let current = !Path::new(NAMES).join(name).exists();
        Self { name: name.to_owned(), current }
    }

    /// Every namespace that has a name.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let entries = fs::read_dir(NAMES).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        names.map(|name| Self { name, current: false })
    }

    /// Whether it is the current namespace.
    pub const fn is_current(&self) -> bool {
        self.current
    }

    /// The number of the namespace that this name stands for now. Another namespace may get the
    /// number when this one is gone.
    ///
    /// # Errors
    /// When there is no such namespace.
    pub fn number(&self) -> Result<u64, NodeError> {
        // A name stands for a mount of the namespace's own file.
        let path = self.path();
        fs::metadata(&path)
            .map(|data| data.ino())
            .map_err(|source| NodeError::Read { path, source })
    }

    /// What stands for the namespace. As long as this is open the namespace and its devices are there.
    pub(super) fn open(&self) -> io::Result<File> {
        File::open(self.path())
    }

    fn path(&self) -> PathBuf {
        if self.current { PathBuf::from(OWN) } else { Path::new(NAMES).join(&self.name) }
    }

    /// The name for people and records; empty for the current namespace.
    pub fn name(&self) -> &str {
        if self.current { "" } else { &self.name }
    }

    /// The name for messages.
    pub fn describe(&self) -> &str {
        if self.current { "(current)" } else { &self.name }
    }

    /// Moves the calling thread into the namespace for good; `home` is what the current one stands for.
    /// Only for a thread whose sockets are all it has to do with namespaces: they stay where they were made.
    ///
    /// # Errors
    /// When the namespace is gone, or cannot be entered.
    pub fn enter(&self, home: &File) -> io::Result<()> {
        let enter = |file: &File| setns(file, CloneFlags::CLONE_NEWNET).map_err(io::Error::from);
        if self.current {
            return enter(home);
        }
        // Not kept: an open file would keep a namespace that was removed, with its devices.
        enter(&self.open()?)
    }

    /// Runs `work` in the namespace.
    ///
    /// # Errors
    /// When the namespace cannot be entered, and as `work`.
    pub fn run<T, E: From<NodeError>>(&self, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        if self.current {
            return work();
        }
        let failed = |source| NodeError::Enter { namespace: self.name.clone(), source };
        let home = get_from_current_thread().map_err(failed)?;
        NetNs::get(&self.name).and_then(|namespace| namespace.enter()).map_err(failed)?;
        let _home = Home(home);
        work()
    }
}

/// The namespace that a thread goes back to when it is dropped, also by a panic.
struct Home(NetNs);

impl Drop for Home {
    fn drop(&mut self) {
        if self.0.enter().is_err() {
            // Whatever this thread did next, it would do in the wrong namespace.
            std::process::abort();
        }
    }
}
