//! The events of a datapath, for the one process that listens.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::Duration;

use aya::maps::{Array, Map, MapData, RingBuf};
use lb_common::state::Event;
use zerocopy::FromBytes as _;

use super::DatapathError;
use super::maps::failed;

const EVENTS: &str = "EVENTS";
const LISTENING: &str = "LISTENING";

/// The reading end of the ring. The ring has one: whoever reads has to know that nobody else does.
///
/// The datapath fills the ring until the time that [`Self::listen`] names, so a listener that was killed is
/// forgotten soon.
pub struct Events {
    ring: RingBuf<MapData>,
    until: Array<MapData, u64>,
}

impl Events {
    /// The ring pinned below `pins`.
    ///
    /// # Errors
    /// When it is missing or of another kind.
    pub fn open(pins: &Path) -> Result<Self, DatapathError> {
        let get = |name| {
            MapData::from_pin(pins.join(name)).and_then(Map::from_map_data).map_err(failed(name))
        };
        Ok(Self {
            ring: get(EVENTS)?.try_into().map_err(failed(EVENTS))?,
            until: get(LISTENING)?.try_into().map_err(failed(LISTENING))?,
        })
    }

    /// Asks for events until the monotonic clock shows `until`; zero asks for none.
    ///
    /// # Errors
    /// When the map cannot be written.
    pub fn listen(&mut self, until: Duration) -> Result<(), DatapathError> {
        let nanos = u64::try_from(until.as_nanos()).unwrap_or(u64::MAX);
        self.until.set(0, nanos, 0).map_err(failed(LISTENING))
    }

    /// Until when events are asked for.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn until(&self) -> Result<Duration, DatapathError> {
        self.until.get(&0, 0).map(Duration::from_nanos).map_err(failed(LISTENING))
    }

    /// The oldest event that was not read yet; the descriptor ([`AsFd`]) is readable when there is one.
    pub fn read(&mut self) -> Option<Event> {
        let item = self.ring.next()?;
        // The datapath writes no other size, and the layout's version was compared.
        Event::read_from_bytes(&item).ok()
    }
}

impl AsFd for Events {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }
}
