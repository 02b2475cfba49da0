//! The only module that talks route netlink. Every call acts on the network namespace of the
//! calling thread and uses a runtime of its own, so no socket outlives or crosses a namespace.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use netlink_packet_route::link::BridgeStpState;
use nix::net::if_::if_nametoindex;
use rtnetlink::{Handle, LinkBridge, LinkUnspec, LinkVeth, RouteMessageBuilder};

use crate::error::Context;
use crate::{Cidr, Error, wait_for};

/// An address is usable within microseconds of being added, on a busy machine as well.
const USABLE: Duration = Duration::from_secs(30);

/// `IFA_F_TENTATIVE` of linux/if_addr.h: duplicate address detection is not over.
const TENTATIVE: u32 = 0x40;

pub(crate) fn set_up(link: &str) -> Result<(), Error> {
    let message = LinkUnspec::new_with_name(link).up().build();
    request(|handle| async move { handle.link().set(message).execute().await })?
        .context(|| format!("setting {link} up"))
}

pub(crate) fn set_down(link: &str) -> Result<(), Error> {
    let message = LinkUnspec::new_with_name(link).down().build();
    request(|handle| async move { handle.link().set(message).execute().await })?
        .context(|| format!("setting {link} down"))
}

/// Address and MTU of a link that is down.
pub(crate) fn configure(link: &str, mac: [u8; 6], mtu: u32) -> Result<(), Error> {
    let message = LinkUnspec::new_with_name(link).address(mac.to_vec()).mtu(mtu).build();
    request(|handle| async move { handle.link().set(message).execute().await })?
        .context(|| format!("setting mac and mtu of {link}"))
}

pub(crate) fn set_mac(link: &str, mac: [u8; 6]) -> Result<(), Error> {
    let message = LinkUnspec::new_with_name(link).address(mac.to_vec()).build();
    request(|handle| async move { handle.link().set(message).execute().await })?
        .context(|| format!("setting mac of {link}"))
}

pub(crate) fn set_mtu(link: &str, mtu: u32) -> Result<(), Error> {
    let message = LinkUnspec::new_with_name(link).mtu(mtu).build();
    request(|handle| async move { handle.link().set(message).execute().await })?
        .context(|| format!("setting mtu of {link}"))
}

pub(crate) fn add_veth(name: &str, peer: &str) -> Result<(), Error> {
    let message = LinkVeth::new(name, peer).build();
    request(|handle| async move { handle.link().add(message).execute().await })?
        .context(|| format!("adding veth pair {name}, {peer}"))
}

/// A bridge that forwards from its first packet: no spanning tree, no learning delay, no iptables.
pub(crate) fn add_bridge(name: &str) -> Result<(), Error> {
    let message = LinkBridge::new(name)
        .stp_state(BridgeStpState::Disabled)
        .forward_delay(0)
        .mcast_snooping(false)
        .nf_call_iptables(false)
        .up()
        .build();
    request(|handle| async move { handle.link().add(message).execute().await })?
        .context(|| format!("adding bridge {name}"))
}

pub(crate) fn set_controller(link: &str, bridge: &str) -> Result<(), Error> {
    let message = LinkUnspec::new_with_name(link).controller(index(bridge)?).build();
    request(|handle| async move { handle.link().set(message).execute().await })?
        .context(|| format!("adding {link} to bridge {bridge}"))
}

pub(crate) fn move_to(link: &str, namespace: BorrowedFd<'_>) -> Result<(), Error> {
    let message = LinkUnspec::new_with_name(link).setns_by_fd(namespace.as_raw_fd()).build();
    request(|handle| async move { handle.link().set(message).execute().await })?
        .context(|| format!("moving {link} to another namespace"))
}

pub(crate) fn remove(link: &str) -> Result<(), Error> {
    let index = index(link)?;
    request(|handle| async move { handle.link().del(index).execute().await })?
        .context(|| format!("removing {link}"))
}

pub(crate) fn add_address(link: &str, cidr: Cidr) -> Result<(), Error> {
    let index = index(link)?;
    let (address, prefix) = (cidr.address, cidr.prefix);
    request(|handle| async move { handle.address().add(index, address, prefix).execute().await })?
        .context(|| format!("adding {cidr} to {link}"))
}

/// Waits until the kernel lets sockets use an address of this namespace; one of IPv4 it always does.
pub(crate) fn wait_usable(address: IpAddr) -> Result<(), Error> {
    let IpAddr::V6(address) = address else { return Ok(()) };
    let digits = format!("{:032x}", address.to_bits());
    // The calling thread's namespace; that of /proc/net is the process's.
    let usable = || {
        let table = std::fs::read_to_string("/proc/thread-self/net/if_inet6")?;
        let line = table.lines().find(|line| line.starts_with(&digits));
        // Address, index, prefix length, scope, flags, device.
        let flags = line.and_then(|line| line.split_whitespace().nth(4));
        match flags.and_then(|flags| u32::from_str_radix(flags, 16).ok()) {
            Some(flags) if flags & TENTATIVE == 0 => Ok(()),
            _ => Err(std::io::Error::other(format!("{line:?}"))),
        }
    };
    wait_for(usable, USABLE, &format!("{address} usable"))
}

pub(crate) fn add_default_route(link: &str, gateway: IpAddr) -> Result<(), Error> {
    let index = index(link)?;
    let message = match gateway {
        IpAddr::V4(v4) => {
            RouteMessageBuilder::<Ipv4Addr>::new().gateway(v4).output_interface(index).build()
        }
        IpAddr::V6(v6) => {
            RouteMessageBuilder::<Ipv6Addr>::new().gateway(v6).output_interface(index).build()
        }
    };
    request(|handle| async move { handle.route().add(message).execute().await })?
        .context(|| format!("adding a default route via {gateway}"))
}

/// The index of a link in the calling thread's namespace.
pub(crate) fn index(link: &str) -> Result<u32, Error> {
    if_nametoindex(link).context(|| format!("looking up device {link}"))
}

fn request<F: Future>(ask: impl FnOnce(Handle) -> F) -> Result<F::Output, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .context(|| "building a runtime for netlink".into())?;
    runtime.block_on(async {
        let (connection, handle, _) =
            rtnetlink::new_connection().context(|| "opening a netlink socket".into())?;
        let connection = tokio::spawn(connection);
        let answer = ask(handle).await;
        connection.abort();
        Ok(answer)
    })
}
