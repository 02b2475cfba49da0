//! Those who hear of events by whoever reads the ring.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;

use lb_common::state::Event;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use zerocopy::IntoBytes as _;

/// Bytes of a pool's index.
const INDEX: usize = size_of::<u32>();
/// Of how many it is heard at once that they have something to say.
const AT_ONCE: usize = 64;

/// Where they come in, and everybody who has. The socket goes with it.
#[derive(Debug)]
pub(super) struct Others {
    door: UnixListener,
    path: PathBuf,
    /// Which streams have something to say: to look takes no longer when there are more of them.
    ready: Epoll,
    streams: HashMap<u64, Other>,
    /// Who wants to hear of a pool, by its index.
    wanting: HashMap<u32, Vec<u64>>,
    came: u64,
}

#[derive(Debug)]
struct Other {
    stream: UnixStream,
    /// What has come of an index.
    partial: Vec<u8>,
}

impl Others {
    /// Opens the door. Where it cannot be opened nobody hears of events but the reader, which is said.
    pub(super) fn at(path: PathBuf) -> Option<Self> {
        // What a reader has left that was killed.
        let _ = fs::remove_file(&path);
        let opened = UnixListener::bind(&path).and_then(|door| {
            door.set_nonblocking(true)?;
            let ready = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
            Ok((door, ready))
        });
        match opened {
            Ok((door, ready)) => {
                let (streams, wanting) = (HashMap::new(), HashMap::new());
                Some(Self { door, path, ready, streams, wanting, came: 0 })
            }
            Err(error) => {
                tracing::warn!(%error, "nobody else can be told of events: {}", path.display());
                None
            }
        }
    }

    /// Lets in whoever has come, and hears what they want.
    pub(super) fn let_in(&mut self) {
        while let Ok((stream, _)) = self.door.accept() {
            let event = EpollEvent::new(EpollFlags::EPOLLIN, self.came);
            if stream.set_nonblocking(true).is_ok() && self.ready.add(&stream, event).is_ok() {
                self.streams.insert(self.came, Other { stream, partial: Vec::new() });
                self.came += 1;
            }
        }
        let mut events = [EpollEvent::empty(); AT_ONCE];
        while let Ok(count @ 1..) = self.ready.wait(&mut events, EpollTimeout::ZERO) {
            events[..count].iter().for_each(|event| self.hear(event.data()));
        }
    }

    /// Hears what one wants, or that it has left.
    fn hear(&mut self, number: u64) {
        let Self { streams, wanting, .. } = self;
        let Some(other) = streams.get_mut(&number) else { return };
        if !other.hear() {
            streams.remove(&number);
            wanting.retain(|_, numbers| {
                numbers.retain(|wants| *wants != number);
                !numbers.is_empty()
            });
            return;
        }
        let whole = other.partial.len() / INDEX * INDEX;
        for index in other.partial.drain(..whole).collect::<Vec<u8>>().chunks_exact(INDEX) {
            if let Ok(index) = index.try_into() {
                wanting.entry(u32::from_ne_bytes(index)).or_default().push(number);
            }
        }
    }

    /// Gives an event to whoever wants it.
    pub(super) fn pass_on(&mut self, event: &Event) {
        let Self { streams, wanting, .. } = self;
        let Some(numbers) = wanting.get_mut(&event.pool) else { return };
        numbers.retain(|number| {
            let is_there = streams.get_mut(number).is_some_and(|other| other.tell(event));
            if !is_there {
                streams.remove(number);
            }
            is_there
        });
    }
}

impl Other {
    /// Reads what it asks for; false if it has left.
    fn hear(&mut self) -> bool {
        loop {
            let mut bytes = [0; 1024];
            match self.stream.read(&mut bytes) {
                Ok(0) => return false,
                Ok(read) => self.partial.extend(&bytes[..read]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(_) => return false,
            }
        }
    }

    /// Writes an event; false if there is no room for it.
    fn tell(&mut self, event: &Event) -> bool {
        match self.stream.write(event.as_bytes()) {
            Ok(written) => written == size_of::<Event>(),
            Err(error) => error.kind() == io::ErrorKind::Interrupted,
        }
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}
