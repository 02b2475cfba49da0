//! Hearing that devices or addresses of a namespace change. What has changed is not told: whoever hears of it looks.

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
};

use super::{NodeError, Place};

/// `RTMGRP_LINK`, `RTMGRP_IPV4_IFADDR` and `RTMGRP_IPV6_IFADDR` (linux/rtnetlink.h).
const GROUPS: u32 = 0x1 | 0x10 | 0x100;

/// A socket that becomes readable when devices or addresses of its namespace change. It keeps the namespace alive, so it
/// has to be dropped when the namespace's name goes.
#[derive(Debug)]
pub struct News(OwnedFd);

impl News {
    /// Of a namespace, from now on.
    ///
    /// # Errors
    /// When the namespace cannot be entered, or the socket not be made.
    pub fn of(place: &Place) -> Result<Self, NodeError> {
        let open = || {
            let failed = |error: Errno| NodeError::Start {
                what: "netlink socket",
                source: io::Error::from(error),
            };
            let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
            let socket =
                socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute);
            let socket = socket.map_err(failed)?;
            bind(socket.as_raw_fd(), &NetlinkAddr::new(0, GROUPS)).map_err(failed)?;
            Ok(Self(socket))
        };
        place.run(open)
    }

    /// Forgets what there is to hear. Says whether there was something.
    pub fn drain(&self) -> bool {
        let mut buffer = [0; 8192];
        let mut heard = false;
        loop {
            match recv(self.0.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                // Some of it was lost, which is news, too.
                Ok(_) | Err(Errno::ENOBUFS) => heard = true,
                Err(Errno::EINTR) => {}
                Err(_) => return heard,
            }
        }
    }
}

impl AsFd for News {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
