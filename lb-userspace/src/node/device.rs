//! Devices, by netlink. Everything here is about the current namespace.

use std::net::{IpAddr, Ipv4Addr};

use futures_util::TryStreamExt as _;
use netlink_packet_route::{
    address::AddressAttribute,
    link::{LinkAttribute, LinkFlags},
    tc::TcHandle,
};
use rtnetlink::Handle;

use super::NodeError;

/// A network device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its name, such as tapfb358342-59.
    pub name: String,
    /// Whether it is administratively up.
    pub up: bool,
}

/// The device that has `address`, if any.
///
/// # Errors
/// When netlink fails.
pub fn find_device(address: Ipv4Addr) -> Result<Option<Device>, NodeError> {
    with_netlink(async |handle| {
        let failed = |what| move |source| NodeError::Netlink { what, source: Box::new(source) };
        let mut addresses = handle.address().get().execute();
        let wanted = AddressAttribute::Local(IpAddr::V4(address));
        let mut index = None;
        while let Some(message) = addresses.try_next().await.map_err(failed("list addresses"))? {
            if message.attributes.contains(&wanted) {
                index = Some(message.header.index);
            }
        }
        let Some(index) = index else { return Ok(None) };
        let mut links = handle.link().get().match_index(index).execute();
        let link = links.try_next().await.map_err(failed("look up a device"))?;
        Ok(link.and_then(|link| {
            let up = link.header.flags.contains(LinkFlags::Up);
            link.attributes.into_iter().find_map(|attribute| {
                let LinkAttribute::IfName(name) = attribute else { return None };
                Some(Device { name, up })
            })
        }))
    })
}

/// Whether a device has a clsact ingress filter with this priority and handle.
///
/// # Errors
/// When netlink fails.
pub fn has_filter(device: &str, priority: u16, handle: u32) -> Result<bool, NodeError> {
    let Ok(index) = nix::net::if_::if_nametoindex(device) else { return Ok(false) };
    with_netlink(async |handle_| {
        let failed = |source| NodeError::Netlink { what: "list filters", source: Box::new(source) };
        let mut filters = handle_.traffic_filter(index.cast_signed()).get().ingress().execute();
        while let Some(filter) = filters.try_next().await.map_err(failed)? {
            // The upper half of the word is the priority, the lower the protocol.
            if filter.header.info >> 16 == u32::from(priority)
                && u32::from(filter.header.handle) == handle
            {
                return Ok(true);
            }
        }
        Ok(false)
    })
}

/// Removes the clsact qdisc of a device. One that is gone is fine.
///
/// # Errors
/// When netlink cannot be used.
pub fn remove_clsact(device: &str) -> Result<(), NodeError> {
    let Ok(index) = nix::net::if_::if_nametoindex(device) else { return Ok(()) };
    with_netlink(async |handle| {
        let mut request = handle.qdisc().del(index.cast_signed());
        request.message_mut().header.parent = TcHandle::CLSACT;
        // Another filter may have taken the qdisc over, or removed it.
        let _ = request.execute().await;
        Ok(())
    })
}

/// Runs `work` with a netlink socket of the current namespace.
fn with_netlink<T>(work: impl AsyncFnOnce(Handle) -> Result<T, NodeError>) -> Result<T, NodeError> {
    let start = |what| move |source| NodeError::Start { what, source };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(start("runtime"))?;
    runtime.block_on(async {
        let (connection, handle, _) =
            rtnetlink::new_connection().map_err(start("netlink socket"))?;
        let worker = tokio::spawn(connection);
        let result = work(handle).await;
        worker.abort();
        result
    })
}
