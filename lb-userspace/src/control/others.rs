//! Those who hear of events by whoever reads the ring.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::slice;

use lb_common::state::Event;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use zerocopy::IntoBytes as _;

/// Bytes of a pool's index.
const INDEX: usize = size_of::<u32>();
/// Beside an index: what nobody has logged of that pool so far is wanted, too.
pub(super) const UNHEARD: u32 = 1 << 31;
/// Most events that are kept for somebody who may want them; the oldest give way.
const KEPT: usize = 1024;
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
    /// Who among them wants all of it, because they log it.
    logging: HashSet<u64>,
    /// What nobody has logged yet: pools may begin a moment before their logs.
    unheard: VecDeque<Event>,
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
                let (streams, wanting, logging, unheard) = Default::default();
                Some(Self { door, path, ready, streams, wanting, logging, unheard, came: 0 })
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
        let Self { streams, wanting, logging, unheard, .. } = self;
        let Some(other) = streams.get_mut(&number) else { return };
        let mut stays = other.hear();
        let whole = other.partial.len() / INDEX * INDEX;
        for wanted in other.partial.drain(..whole).collect::<Vec<u8>>().chunks_exact(INDEX) {
            let Ok(wanted) = wanted.try_into().map(u32::from_ne_bytes) else { continue };
            let pool = wanted & !UNHEARD;
            if stays && wanted & UNHEARD != 0 {
                let (theirs, rest): (Vec<Event>, Vec<Event>) =
                    unheard.drain(..).partition(|event| event.pool == pool);
                *unheard = rest.into();
                logging.insert(number);
                stays &= other.tell(&theirs);
            }
            wanting.entry(pool).or_default().push(number);
        }
        if !stays {
            streams.remove(&number);
            logging.remove(&number);
            wanting.retain(|_, numbers| {
                numbers.retain(|wants| *wants != number);
                !numbers.is_empty()
            });
        }
    }

    /// Gives an event to whoever wants it, and keeps it if nobody logs it; who reads the ring may have it `logged`.
    pub(super) fn pass_on(&mut self, event: &Event, mut logged: bool) {
        let Self { streams, wanting, logging, .. } = self;
        if let Some(numbers) = wanting.get_mut(&event.pool) {
            numbers.retain(|number| {
                let is_there =
                    streams.get_mut(number).is_some_and(|other| other.tell(slice::from_ref(event)));
                if is_there {
                    logged |= logging.contains(number);
                } else {
                    streams.remove(number);
                    logging.remove(number);
                }
                is_there
            });
        }
        if !logged {
            self.keep(event);
        }
    }

    /// Keeps an event for whoever logs it later.
    pub(super) fn keep(&mut self, event: &Event) {
        if self.unheard.len() == KEPT {
            self.unheard.pop_front();
        }
        self.unheard.push_back(*event);
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

    /// Writes events in one go; false if there is no room for them.
    fn tell(&mut self, events: &[Event]) -> bool {
        match self.stream.write(events.as_bytes()) {
            Ok(written) => written == size_of_val(events),
            Err(error) => error.kind() == io::ErrorKind::Interrupted,
        }
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}
