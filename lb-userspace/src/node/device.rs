//! Devices, by netlink. Everything here is about the current namespace.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use futures_util::TryStreamExt as _;
use netlink_packet_route::{
    address::{AddressAttribute, AddressHeader, AddressHeaderFlags},
    link::{LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage, LinkXdp, XdpAttached},
    route::{RouteAttribute, RouteMessage, RouteType},
};
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::LinkAddr;
use rtnetlink::{Handle, RouteMessageBuilder};

use super::NodeError;
use super::netlink::{failed, with_netlink};

/// A network device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its index, which stays when it is renamed and is not given to another while it is there.
    pub index: u32,
    /// Its name, such as tapfb358342-59.
    pub name: String,
    /// Whether it is administratively up.
    pub up: bool,
    /// Whether its frames begin with an Ethernet header.
    pub ethernet: bool,
    /// What kind of device without hardware it is, such as veth or openvswitch.
    pub kind: Option<String>,
    /// The bus of its hardware, such as pci.
    pub bus: Option<String>,
    /// Index of the device it is linked to: the peer of a veth.
    pub linked: Option<u32>,
    /// The number that the namespace has given to the one of that device; none if they are in the same.
    pub linked_in: Option<i32>,
    /// Index of the device whose port it is: a bridge's, say.
    pub controller: Option<u32>,
    /// Whether an XDP program is on it.
    pub xdp: bool,
}

/// The present name of the device with this index, if it is there.
pub fn device_name(index: u32) -> Option<String> {
    let name = nix::net::if_::if_indextoname(index).ok()?.into_string().ok();
    // nix takes the null pointer of a device that is not there for an empty name.
    name.filter(|name| !name.is_empty())
}

/// The MAC address that the device with this index has now, if it is there and has one.
pub fn device_mac(index: u32) -> Option<[u8; 6]> {
    device_link(index)?.0.addr()
}

/// Where to send frames that are to leave by the device with this index, if it is there, and how the device is.
pub(super) fn device_link(index: u32) -> Option<(LinkAddr, InterfaceFlags)> {
    let links = nix::ifaddrs::getifaddrs().ok()?;
    let mut found = links.filter_map(|link| Some((*link.address?.as_link_addr()?, link.flags)));
    found.find(|(link, _)| link.ifindex() as u32 == index)
}

/// The devices that have `address`.
///
/// # Errors
/// When netlink fails.
pub(super) fn find_devices(address: IpAddr) -> Result<Vec<Device>, NodeError> {
    with_netlink(async |handle| {
        let indexes: BTreeSet<u32> =
            headers(&handle, address).await?.into_iter().map(|header| header.index).collect();
        let mut devices = Vec::new();
        for index in indexes {
            let mut links = handle.link().get().match_index(index).execute();
            let link = links.try_next().await.map_err(failed("look up a device"))?;
            devices.extend(link.map(device));
        }
        Ok(devices)
    })
}

/// How the address is on the device with this index; none if it is not there.
///
/// # Errors
/// When netlink fails.
pub(super) fn address_flags(
    index: u32,
    address: IpAddr,
) -> Result<Option<AddressHeaderFlags>, NodeError> {
    with_netlink(async |handle| {
        let headers = headers(&handle, address).await?;
        Ok(headers.iter().find(|header| header.index == index).map(|header| header.flags))
    })
}

/// How and where `address` is.
async fn headers(handle: &Handle, address: IpAddr) -> Result<Vec<AddressHeader>, NodeError> {
    let wanted = attribute(address);
    let mut addresses = handle.address().get().execute();
    let mut found = Vec::new();
    while let Some(message) = addresses.try_next().await.map_err(failed("list addresses"))? {
        found.extend(message.attributes.contains(&wanted).then_some(message.header));
    }
    Ok(found)
}

/// What a message about `address` has in it. IPv6 has no local address beside the address.
const fn attribute(address: IpAddr) -> AddressAttribute {
    match address {
        IpAddr::V4(_) => AddressAttribute::Local(address),
        IpAddr::V6(_) => AddressAttribute::Address(address),
    }
}

/// The device with this index, if it is there.
///
/// # Errors
/// When netlink cannot be used.
pub fn find_device(index: u32) -> Result<Option<Device>, NodeError> {
    with_netlink(async |handle| {
        let mut links = handle.link().get().match_index(index).execute();
        // The kernel's answer about a device that is not there is an error.
        Ok(links.try_next().await.ok().flatten().map(device))
    })
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "of dozens of attributes, a few are of interest"
)]
fn device(link: LinkMessage) -> Device {
    let mut device = Device {
        index: link.header.index,
        name: String::new(),
        up: link.header.flags.contains(LinkFlags::Up),
        ethernet: link.header.link_layer_type == LinkLayerType::Ether,
        kind: None,
        bus: None,
        linked: None,
        linked_in: None,
        controller: None,
        xdp: false,
    };
    for attribute in link.attributes {
        match attribute {
            LinkAttribute::IfName(name) => device.name = name,
            LinkAttribute::Link(index) => device.linked = Some(index),
            LinkAttribute::LinkNetNsId(number) => device.linked_in = Some(number),
            LinkAttribute::Controller(index) => device.controller = Some(index),
            LinkAttribute::ParentDevBusName(bus) => device.bus = Some(bus),
            LinkAttribute::LinkInfo(infos) => {
                device.kind = infos.into_iter().find_map(|info| match info {
                    LinkInfo::Kind(kind) => Some(kind.to_string()),
                    _ => None,
                });
            }
            LinkAttribute::Xdp(words) => {
                let none = LinkXdp::Attached(XdpAttached::None);
                let tells = |word: &&LinkXdp| matches!(word, LinkXdp::Attached(_));
                device.xdp = words.iter().find(tells).is_some_and(|word| *word != none);
            }
            _ => {}
        }
    }
    device
}

/// Where a packet to an address leaves the namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By the device with this index, on whose link it is.
    Device(u32),
    /// By the device with this index, to a gateway.
    Gateway(u32),
    /// Not at all: the address is the namespace's own.
    Local,
    /// Not at all: there is no route.
    None,
}

/// The way to each of `addresses`.
///
/// # Errors
/// When netlink cannot be used.
pub fn ways_to(addresses: &[IpAddr]) -> Result<Vec<Way>, NodeError> {
    with_netlink(async |handle| {
        let mut ways = Vec::new();
        for address in addresses {
            let message = route_to(*address);
            // The kernel's answer to an address without a route is an error.
            let route = handle.route().get(message).execute().try_next().await.ok().flatten();
            ways.push(route.map_or(Way::None, |route| way(&route)));
        }
        Ok(ways)
    })
}

fn route_to(address: IpAddr) -> RouteMessage {
    match address {
        IpAddr::V4(v4) => RouteMessageBuilder::<Ipv4Addr>::new().destination_prefix(v4, 32).build(),
        IpAddr::V6(v6) => {
            RouteMessageBuilder::<Ipv6Addr>::new().destination_prefix(v6, 128).build()
        }
    }
}

fn way(route: &RouteMessage) -> Way {
    if route.header.kind == RouteType::Local {
        return Way::Local;
    }
    let device = route.attributes.iter().find_map(|attribute| {
        let RouteAttribute::Oif(index) = attribute else { return None };
        Some(*index)
    });
    let has_gateway = route
        .attributes
        .iter()
        .any(|attribute| matches!(attribute, RouteAttribute::Gateway(_) | RouteAttribute::Via(_)));
    device.map_or(Way::None, if has_gateway { Way::Gateway } else { Way::Device })
}
