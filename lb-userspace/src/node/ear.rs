//! Listening for a frame at a device.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, recvfrom, socket,
};

use super::{NodeError, Place};

/// How many frames are looked at that may have come in time: more than a socket has room for where nobody has changed
/// `net.core.rmem_default`. Where they never end, those that come later are not looked at.
const LATE: usize = 4_096;
const MILLISECOND: Duration = Duration::from_millis(1);

/// A socket that sees the frames which come in by a device or go out of it, from when it was made.
#[derive(Debug)]
pub struct Ear {
    /// There until the end.
    socket: Option<OwnedFd>,
    device: u32,
}

impl Ear {
    /// At the device with this index of the namespace `place`.
    ///
    /// # Errors
    /// When the namespace cannot be entered, or a socket not be made there.
    pub fn at(place: &Place, device: u32) -> Result<Self, NodeError> {
        let open = || {
            let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
            socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)
                .map_err(|error| NodeError::Start { what: "packet socket", source: error.into() })
        };
        Ok(Self { socket: Some(place.run(open)?), device })
    }

    /// The first thing that `wanted` makes of a frame; none if nothing comes in time.
    ///
    /// # Errors
    /// When the socket fails.
    pub fn hear<T>(
        &self,
        patience: Duration,
        wanted: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<Option<T>, NodeError> {
        let failed = |error: Errno| NodeError::Start {
            what: "look at a packet socket",
            source: io::Error::from(error),
        };
        let Some(socket) = &self.socket else { return Ok(None) };
        let end = Instant::now() + patience;
        let mut buffer = [0; 2048];
        let mut late = 0;
        // What has come in time is looked at however late.
        while late < LATE {
            let over = Instant::now() > end;
            match recvfrom::<LinkAddr>(socket.as_raw_fd(), &mut buffer) {
                Ok((len, Some(from))) if from.ifindex() == self.device as usize => {
                    if let Some(found) = wanted(&buffer[..len]) {
                        return Ok(Some(found));
                    }
                }
                Ok(_) | Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) if over => return Ok(None),
                Err(Errno::EAGAIN) => {
                    // Rounded up: poll(2) has milliseconds.
                    let left = end.saturating_duration_since(Instant::now()) + MILLISECOND;
                    let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
                    let mut ready = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
                    match poll(&mut ready, timeout) {
                        Ok(_) | Err(Errno::EINTR) => {}
                        Err(error) => return Err(failed(error)),
                    }
                }
                Err(error) => return Err(failed(error)),
            }
            late += usize::from(over);
        }
        Ok(None)
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        // The kernel closes a packet socket once all CPUs have been elsewhere (synchronize_net), some milliseconds later,
        // which nobody need wait for. Without a thread it is waited for here.
        let socket = self.socket.take();
        let _ = thread::Builder::new().name("ear".to_owned()).spawn(move || drop(socket));
    }
}
