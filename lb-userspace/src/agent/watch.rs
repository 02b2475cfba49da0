//! Watching the node and the desired state, so that the engine hears of a change at once and not only with its next look.
//!
//! Devices and addresses by netlink, in each namespace of a pool; namespaces and files by inotify. Whatever is heard only
//! wakes the engine: it looks for itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use super::engine::Handle;
use crate::node::{News, NodeError, Place};

/// Where namespaces have their names.
const NAMES: &str = "/run/netns";
/// How long a directory or namespace that is not there is not looked for, in milliseconds.
const PAUSE: u16 = 1_000;

/// The engine's side.
pub(in crate::agent) struct Watch {
    wanted: Arc<Mutex<BTreeSet<String>>>,
    wake: UnixStream,
}

impl Watch {
    /// Starts watching: the directory of the desired state, and the namespaces that [`Watch::follow`] names.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(in crate::agent) fn start(handle: Handle, state_dir: &Path) -> Result<Self, NodeError> {
        let failed = |what| move |source| NodeError::Start { what, source };
        let (wake, woken) = UnixStream::pair().map_err(failed("pair of sockets"))?;
        let inotify = || Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC);
        let inotify = inotify().map_err(|error| failed("inotify")(error.into()))?;
        woken.set_nonblocking(true).map_err(failed("pair of sockets"))?;
        wake.set_nonblocking(true).map_err(failed("pair of sockets"))?;
        let wanted = Arc::<Mutex<BTreeSet<String>>>::default();
        let watcher = Watcher {
            handle,
            wanted: Arc::clone(&wanted),
            woken,
            inotify,
            directories: vec![PathBuf::from(NAMES), state_dir.to_owned()],
            open: BTreeMap::new(),
            pending: Arc::default(),
        };
        let thread = thread::Builder::new().name("watch".to_owned());
        thread.spawn(move || watcher.work()).map_err(failed("thread"))?;
        Ok(Self { wanted, wake })
    }

    /// The namespaces whose devices matter.
    pub(in crate::agent) fn follow(&self, namespaces: BTreeSet<String>) {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        if *wanted != namespaces {
            *wanted = namespaces;
            // A full pipe wakes as well.
            let _ = (&self.wake).write(&[0]);
        }
    }
}

/// A namespace that is listened to: what its name stood for, and the socket there.
struct Open {
    stood_for: Option<(u64, u64)>,
    news: News,
}

struct Watcher {
    handle: Handle,
    wanted: Arc<Mutex<BTreeSet<String>>>,
    woken: UnixStream,
    inotify: Inotify,
    directories: Vec<PathBuf>,
    open: BTreeMap<String, Open>,
    pending: Arc<AtomicBool>,
}

impl Watcher {
    /// Until the engine is gone.
    fn work(mut self) {
        loop {
            self.refresh();
            match self.wait() {
                Some(true) => self.handle.news(&self.pending),
                Some(false) => {}
                None => return,
            }
        }
    }

    /// Listens to what is wanted and there, and no more to what is gone: a socket would keep its namespace alive.
    fn refresh(&mut self) {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // Pools without a namespace of their own are served in the agent's.
        wanted.insert(String::new());
        self.open.retain(|name, open| wanted.contains(name) && open.stood_for == stands_for(name));
        for name in wanted {
            let there = name.is_empty() || stands_for(&name).is_some();
            if there && !self.open.contains_key(&name) {
                let stood_for = stands_for(&name);
                // One that is just being made, or that goes now, is for the next time.
                if let Ok(news) = News::of(&Place::named(&name)) {
                    self.open.insert(name, Open { stood_for, news });
                }
            }
        }
        let flags = AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_MOVED_FROM;
        for directory in &self.directories {
            // To watch a directory again is to watch it once. One that is not there is for the next time.
            let _ = self.inotify.add_watch(directory, flags);
        }
    }

    /// Waits until there is something to look at, or time to look for what was not there; none if the engine is gone.
    fn wait(&mut self) -> Option<bool> {
        let readable = |fd: BorrowedFd<'_>| -> bool {
            poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], PollTimeout::ZERO)
                .is_ok_and(|count| count > 0)
        };
        {
            let fds = self.open.values().map(|open| open.news.as_fd());
            let fds = fds.chain([self.woken.as_fd(), self.inotify.as_fd()]);
            let mut all: Vec<PollFd<'_>> =
                fds.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
            // An interruption is no news, and nothing is lost by looking.
            let _ = poll(&mut all, PollTimeout::from(PAUSE));
        }
        if readable(self.woken.as_fd())
            && let Ok(0) = self.woken.read(&mut [0; 64])
        {
            return None;
        }
        let mut heard = false;
        while self.inotify.read_events().is_ok_and(|events| !events.is_empty()) {
            heard = true;
        }
        for open in self.open.values() {
            heard |= open.news.drain();
        }
        Some(heard)
    }
}

/// What a namespace's name stands for now.
fn stands_for(name: &str) -> Option<(u64, u64)> {
    let data = fs::metadata(Path::new(NAMES).join(name)).ok()?;
    (!name.is_empty()).then(|| (data.dev(), data.ino()))
}
