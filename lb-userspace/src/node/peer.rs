//! The other end of a veth.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::fd::AsRawFd as _;
use std::path::Path;

use nix::sys::socket::SockProtocol;

use super::device::find_device;
use super::message::{ask, attribute, find};
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
    for candidate in candidates() {
        // A namespace may vanish while one looks.
        let Ok(file) = candidate.run(open) else { continue };
        if place.run(|| Ok::<_, NodeError>(number_of(&file)))? == Some(number) {
            return at(candidate);
        }
    }
    Ok(None)
}

/// The current namespace, and all that have names.
fn candidates() -> impl Iterator<Item = Place> {
    let entries = fs::read_dir("/run/netns").into_iter().flatten().flatten();
    let names: BTreeSet<String> =
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    std::iter::once(Place::named("")).chain(names.into_iter().map(|name| Place::named(&name)))
}

fn open() -> Result<File, NodeError> {
    let path = Path::new("/proc/thread-self/ns/net");
    File::open(path).map_err(|source| NodeError::Read { path: path.to_owned(), source })
}

/// The number that the current namespace has given to another one, if it has.
fn number_of(namespace: &File) -> Option<i32> {
    let question = attribute(FD, &namespace.as_raw_fd().to_ne_bytes());
    let question = [[0; FAMILY].as_slice(), &question].concat();
    let answer = ask(SockProtocol::NetlinkRoute, GET_NSID, &question).ok()?;
    let number = find(answer.get(FAMILY..)?, NSID)?;
    // -1 where it has given none.
    Some(i32::from_ne_bytes(number.try_into().ok()?)).filter(|number| *number >= 0)
}
