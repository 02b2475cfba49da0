//! Telling a link where an address is.

use std::net::IpAddr;
use std::os::fd::AsRawFd as _;

use netlink_packet_route::address::AddressHeaderFlags;
use nix::errno::Errno;
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, sendto, socket};

use super::advert::frames;
use super::device::{address_flags, device_link, device_name};
use super::{NodeError, Place, forwards};

/// An address, and the device that is to have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The namespace.
    pub place: Place,
    /// The namespace's number ([`Place::number`]).
    pub netns: u64,
    /// Index of the device.
    pub ifindex: u32,
    /// The name it had, for people.
    pub device: String,
    /// The address.
    pub address: IpAddr,
}

/// What has become of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Its frames are sent; neighbours know this MAC address now.
    Sent([u8; 6]),
    /// Nobody would hear them, or they must not be sent, because of something that may pass.
    NotYet(&'static str),
    /// The device does not have the address any more.
    Gone,
}

const DOWN: &str = "the device is down";

impl Spot {
    /// Tells the link once that the address is at this device, by the MAC address that it has now. Whatever is opened for that
    /// is closed when this returns: an open socket would keep a namespace that is removed.
    ///
    /// # Errors
    /// When device or address cannot be looked at, or the kernel does not send.
    pub fn tell(&self) -> Result<Told, NodeError> {
        let Self { place, netns, ifindex, address, .. } = self;
        // Another namespace may have the name by now, or none.
        if place.number().ok() != Some(*netns) {
            return Ok(Told::Gone);
        }
        match place.run(|| tell(*ifindex, *address)) {
            // It has been removed just now.
            Err(NodeError::Enter { .. }) => Ok(Told::Gone),
            told => told,
        }
    }
}

/// As [`Spot::tell`], in the current namespace.
fn tell(ifindex: u32, address: IpAddr) -> Result<Told, NodeError> {
    let Some(flags) = address_flags(ifindex, address)? else { return Ok(Told::Gone) };
    // As long as it is not sure that nobody else has the address, nobody may be told to come here (RFC 4862 section 5.4).
    if flags.contains(AddressHeaderFlags::Dadfailed) {
        return Ok(Told::NotYet("another host on the link has the address"));
    }
    if flags.contains(AddressHeaderFlags::Tentative) {
        return Ok(Told::NotYet("the kernel still looks whether another host has the address"));
    }
    let (Some((link, device)), Some(name)) = (device_link(ifindex), device_name(ifindex)) else {
        return Ok(Told::Gone);
    };
    let Some(mac) = link.addr() else { return Ok(Told::Gone) };
    if !device.contains(InterfaceFlags::IFF_UP) {
        return Ok(Told::NotYet(DOWN));
    }
    // The kernel would take the frames and drop them.
    if !device.contains(InterfaceFlags::IFF_RUNNING) {
        return Ok(Told::NotYet("the device has no carrier"));
    }
    let router = address.is_ipv6() && forwards(&name, address)?;
    // Without a protocol it hears nothing.
    let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)
        .map_err(|error| NodeError::Start { what: "packet socket", source: error.into() })?;
    for frame in frames(mac, address, router) {
        match sendto(socket.as_raw_fd(), &frame, &link, MsgFlags::MSG_DONTWAIT) {
            Ok(_) => {}
            Err(Errno::ENETDOWN) => return Ok(Told::NotYet(DOWN)),
            Err(Errno::ENXIO | Errno::ENODEV) => return Ok(Told::Gone),
            Err(source) => return Err(NodeError::Send { index: ifindex, source }),
        }
    }
    Ok(Told::Sent(mac))
}
