//! Entering network namespaces.
//!
//! A namespace belongs to a thread, so whatever happens in one happens on a thread of its own,
//! which ends there: nothing can stay behind in the wrong namespace, not even after a panic.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::thread;

use netns_rs::NetNs;
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
    let entries = fs::read_dir(NAMES).into_iter().flatten().flatten();
    let is_own = |entry: &fs::DirEntry| stands_for(&entry.path()).is_ok_and(|it| it == own);
    let mut names = entries.filter(is_own).filter_map(|entry| entry.file_name().into_string().ok());
    Ok(names.next())
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
        let current = !Path::new("/run/netns").join(name).exists();
        Self { name: name.to_owned(), current }
    }

    /// Whether it is the current namespace.
    pub const fn is_current(&self) -> bool {
        self.current
    }

    /// The number of the namespace that this name stands for now. Another namespace may get the
    /// number when this one is gone.
    ///
    /// # Errors
    /// When the namespace cannot be entered.
    pub fn number(&self) -> Result<u64, NodeError> {
        self.run(|| {
            let path = Path::new("/proc/thread-self/ns/net");
            let failed = |source| NodeError::Read { path: path.to_owned(), source };
            fs::metadata(path).map(|data| data.ino()).map_err(failed)
        })
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
        enter(&File::open(Path::new("/run/netns").join(&self.name))?)
    }

    /// Runs `work` in the namespace.
    ///
    /// # Errors
    /// When the namespace cannot be entered, and as `work`.
    pub fn run<T: Send, E: From<NodeError> + Send>(
        &self,
        work: impl FnOnce() -> Result<T, E> + Send,
    ) -> Result<T, E> {
        let enter = || {
            let failed = |source| NodeError::Enter { namespace: self.name.clone(), source };
            NetNs::get(&self.name).and_then(|namespace| namespace.enter()).map_err(failed)
        };
        thread::scope(|scope| {
            let thread = thread::Builder::new().name("in-namespace".to_owned());
            let body = || {
                if !self.current {
                    enter()?;
                }
                work()
            };
            let started = thread.spawn_scoped(scope, body);
            let handle = started.map_err(|source| NodeError::Start { what: "thread", source })?;
            handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}
