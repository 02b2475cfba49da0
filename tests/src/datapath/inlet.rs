//! A device of a datapath's own, and an ear at it.

use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use lb_userspace::datapath::Inlet;
use lb_userspace::node::device_mac;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, recvfrom, setsockopt, socket,
    sockopt,
};

use super::Error;
use crate::{net, wait_for};

/// Bytes of an Ethernet header's two addresses, which no datapath chooses.
const ADDRESSES: usize = 12;

/// Longest a frame may take from one side of the kernel to the other.
const PATIENCE: Duration = Duration::from_secs(5);

/// Names come from one counter, as datapaths share a namespace.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A veth device that nothing else uses; gone when this is dropped.
pub(super) struct Ear {
    name: String,
    inlet: Inlet,
    socket: OwnedFd,
}

impl Ear {
    pub(super) fn new() -> Result<Self, Error> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let (name, peer) = (format!("inlet{number}"), format!("peer{number}"));
        net::add_veth(&name, &peer)?;
        let listen = || {
            net::set_up(&name)?;
            net::set_up(&peer)?;
            let ifindex = net::index(&name)?;
            let mac = device_mac(ifindex).ok_or(Error::NoMac)?;
            let socket = socket(
                AddressFamily::Packet,
                SockType::Raw,
                SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC,
                SockProtocol::EthAll,
            )
            .map_err(Error::Ear)?;
            setsockopt(&socket, sockopt::RcvBuf, &(8 << 20)).map_err(Error::Ear)?;
            Ok((Inlet { ifindex, mac }, socket))
        };
        match listen() {
            Ok((inlet, socket)) => Ok(Self { name, inlet, socket }),
            Err(error) => {
                let _ = net::remove(&name);
                Err(error)
            }
        }
    }

    pub(super) const fn inlet(&self) -> Inlet {
        self.inlet
    }

    /// The `count` TCP frames that the device has received since the last call, without MAC addresses.
    pub(super) fn hear(&self, count: usize) -> Result<Vec<Vec<u8>>, Error> {
        let mut heard = Vec::new();
        let listen = || {
            heard.extend(self.drain().map_err(|error| error.to_string())?);
            if heard.len() < count { Err(format!("{} of {count}", heard.len())) } else { Ok(()) }
        };
        wait_for(listen, PATIENCE, "every frame that was sent is received")?;
        Ok(heard)
    }

    fn drain(&self) -> Result<Vec<Vec<u8>>, Error> {
        let mut heard = Vec::new();
        let mut buffer = [0; 2048];
        loop {
            match recvfrom::<LinkAddr>(self.socket.as_raw_fd(), &mut buffer) {
                Ok((len, Some(from))) => {
                    let frame = &buffer[ADDRESSES..len];
                    let ours = from.ifindex() == self.inlet.ifindex as usize;
                    if ours && buffer[..6] == self.inlet.mac && is_tcp(frame) {
                        heard.push(frame.to_vec());
                    }
                }
                Ok((_, None)) => {}
                Err(Errno::EAGAIN) => return Ok(heard),
                Err(error) => return Err(Error::Ear(error)),
            }
        }
    }
}

/// Whether these are IPv4 or IPv6 with TCP: other frames are the kernel's own.
fn is_tcp(frame: &[u8]) -> bool {
    const TCP: u8 = 6;
    match frame {
        [0x08, 0x00, ip @ ..] => ip.get(9) == Some(&TCP),
        [0x86, 0xdd, ip @ ..] => ip.get(6) == Some(&TCP),
        _ => false,
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        let _ = net::remove(&self.name);
    }
}
