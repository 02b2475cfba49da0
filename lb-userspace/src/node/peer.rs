//! The other end of a veth.

use std::fs::File;
use std::os::fd::AsRawFd as _;

use nix::sys::socket::SockProtocol;

use super::device::find_device;
use super::message::{Asker, attribute, find};
use super::{Device, NodeError, Place};

/// `RTM_GETNSID`, its header's bytes and its attributes (linux/rtnetlink.h, linux/net_namespace.h).
const GET_NSID: u16 = 90;
const FAMILY: usize = 4;
const NSID: u16 = 1;
const FD: u16 = 3;

/// A device and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its namespace.
    pub place: Place,
    /// The device.
    pub device: Device,
}

/// The peer of a veth in the namespace `place`; none if it is in a namespace that has no name here.
///
/// # Errors
/// When netlink fails.
pub fn find_peer(place: &Place, device: &Device) -> Result<Option<Peer>, NodeError> {
    let Some(index) = device.linked else { return Ok(None) };
    let at = |place: Place| {
        let device = place.run(|| find_device(index))?;
        Ok(device.map(|device| Peer { place, device }))
    };
    let Some(number) = device.linked_in else { return at(place.clone()) };
    // There may be thousands of namespaces, so none is entered to find out: their files are enough.
    let own = Place::named("");
    let here = own.open().ok();
    let found = place.run(|| {
        let failed = |source| NodeError::Start { what: "netlink socket", source };
        let mut asker = Asker::open(SockProtocol::NetlinkRoute).map_err(failed)?;
        let mut is_there = |file: Option<File>| {
            file.is_some_and(|file| number_of(&mut asker, &file) == Some(number))
        };
        if is_there(here) {
            return Ok(Some(own));
        }
        // A namespace may vanish while one looks.
        Ok::<_, NodeError>(Place::all().find(|place| is_there(place.open().ok())))
    })?;
    found.map_or(Ok(None), at)
}

/// The number that the current namespace has given to another one, if it has.
fn number_of(asker: &mut Asker, namespace: &File) -> Option<i32> {
    let question = attribute(FD, &namespace.as_raw_fd().to_ne_bytes());
    let question = [[0; FAMILY].as_slice(), &question].concat();
    let answer = asker.ask(GET_NSID, &question).ok()?;
    let number = find(answer.get(FAMILY..)?, NSID)?;
    // -1 where it has given none.
    Some(i32::from_ne_bytes(number.try_into().ok()?)).filter(|number| *number >= 0)
}
