//! Entering network namespaces.
//!
//! A namespace belongs to a thread, so whatever happens in one happens on a thread of its own,
//! which ends there: nothing can stay behind in the wrong namespace, not even after a panic.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::thread;

use netns_rs::NetNs;

use super::NodeError;

/// A network namespace to work in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    name: String,
    current: bool,
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
