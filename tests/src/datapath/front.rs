//! The device that an XDP program under test takes its frames to come from, and what is behind it: neighbours,
//! and some that are missing.

use std::fs;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::sync::atomic::{AtomicU32, Ordering};

use lb_common::be::Be16;
use lb_common::counter::Xdp;
use lb_common::forward::Hop;
use lb_common::wire::eth::{self, Ethernet};
use lb_userspace::node::device_mac;
use tempfile::NamedTempFile;

use super::family::plain;
use super::{Error, Family};
use crate::error::Context as _;
use crate::{Namespace, net};

/// Bytes of an Ethernet header's two addresses.
const ADDRESSES: usize = 12;
/// The longest datagram that goes out in IPv4.
const MTU: u16 = 1500;
/// The same of the device, and so in IPv6, where stories have longer headers.
const LONG_MTU: u16 = MTU + 20;
/// An address to which the namespace has no way.
const UNREACHABLE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);

/// Names come from one counter, as datapaths share a namespace.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// Whether the device knows the MAC address of a host of 10.0.0.0/24.
const fn is_known(host: u8) -> bool {
    host % 4 != 3
}

/// The MAC address of a host, by the end of its address of either family.
fn mac_of([_, _, third, last]: [u8; 4]) -> [u8; 6] {
    [2, 0, 0, 1, third, last]
}

/// An address as a story in this family has it.
fn told(family: Family, address: Ipv4Addr) -> IpAddr {
    family.end(SocketAddrV4::new(address, 0)).ip()
}

/// A veth device with a route to 10.0.0.0/24 and what that is in IPv6, gone when this is dropped.
pub(super) struct Front {
    name: String,
    pub(super) ifindex: u32,
    mac: [u8; 6],
}

impl Front {
    pub(super) fn new() -> Result<Self, Error> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let (name, peer) = (format!("front{number}"), format!("behind{number}"));
        net::add_veth(&name, &peer)?;
        let mut front = Self { name, ifindex: 0, mac: [0; 6] };
        net::set_up(&front.name)?;
        net::set_up(&peer)?;
        front.ifindex = net::index(&front.name)?;
        front.mac = device_mac(front.ifindex).ok_or(Error::NoMac)?;
        let name = &front.name;
        for family in ["ipv4", "ipv6"] {
            let forwarding = format!("/proc/sys/net/{family}/conf/{name}/forwarding");
            fs::write(&forwarding, "1").context(|| format!("writing {forwarding}"))?;
        }
        let hosts = told(Family::V6, Ipv4Addr::new(10, 0, 0, 0));
        // The kernel takes any of several routes of one metric in IPv6, that of the device asked for if there is one.
        let mut lines = format!(
            "link set {name} mtu {LONG_MTU}\n\
             route add 10.0.0.0/24 dev {name} metric {} mtu lock {MTU}\n\
             route append {hosts}/120 dev {name}\n",
            number + 1
        );
        for family in Family::ALL {
            lines += &format!("route replace unreachable {}\n", told(family, UNREACHABLE));
            for host in (1..=254).filter(|host| is_known(*host)) {
                let address = Ipv4Addr::new(10, 0, 0, host);
                let mac = mac_of(address.octets()).map(|byte| format!("{byte:02x}")).join(":");
                let address = told(family, address);
                lines +=
                    &format!("neighbour add {address} lladdr {mac} nud permanent dev {name}\n");
            }
        }
        let mut batch = NamedTempFile::new().context(|| "file for ip(8)".into())?;
        batch.write_all(lines.as_bytes()).context(|| "writing for ip(8)".into())?;
        Namespace::root()?.command("ip").arg("-batch").arg(batch.path()).stdout()?;
        Ok(front)
    }

    /// A frame as it comes in by the device: the one that the harness addresses to its host is addressed to it.
    pub(super) fn addressed(&self, frame: &[u8]) -> Vec<u8> {
        let mut frame = frame.to_vec();
        if frame.starts_with(&[0; 6]) {
            frame[..6].copy_from_slice(&self.mac);
        }
        frame
    }

    /// The frame that went out, with the addresses of the one that came in; none if its own are not those of the
    /// device and of the next hop.
    pub(super) fn readdressed(&self, out: &[u8], came: &[u8]) -> Option<Vec<u8>> {
        let end = if came.get(12..14)? == [0x86, 0xdd] { 54 } else { 34 };
        let dst: [u8; 4] = out.get(end - 4..end)?.try_into().ok()?;
        let right = [mac_of(dst), self.mac].concat();
        (out[..ADDRESSES] == right).then(|| [&came[..ADDRESSES], &out[ADDRESSES..]].concat())
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        let _ = net::remove(&self.name);
    }
}

/// What the kernel finds there, in the order in which it looks. The harness's own addresses stay in the frame.
pub(super) fn find(hop: &Hop<'_>, came: &Ethernet) -> Result<Ethernet, Xdp> {
    let dst = hop.rewrite.to.dst;
    let (v4, mtu) = if dst.is_v4() { (true, MTU) } else { (false, LONG_MTU) };
    let IpAddr::V4(dst) = plain(dst.into()) else { return Err(Xdp::NoRoute) };
    let [ten, zero, third, host] = dst.octets();
    if dst == UNREACHABLE || [ten, zero, third] != [10, 0, 0] {
        return Err(Xdp::NoRoute);
    }
    if hop.len > mtu {
        return Err(Xdp::TooLong);
    }
    if !is_known(host) || host == 0 || host == 255 {
        return Err(Xdp::NoNeighbour);
    }
    let ethertype = Be16::new(if v4 { eth::IPV4 } else { eth::IPV6 });
    // The harness's host has the MAC address zero; the comparison with it is not this function's.
    Ok(Ethernet { dst: came.dst, src: [0; 6], ethertype })
}
