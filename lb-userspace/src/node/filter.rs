//! Filters and the qdisc that holds them, by netlink. Everything here is about the current namespace.

use futures_util::TryStreamExt as _;
use netlink_packet_route::tc::{TcAttribute, TcHandle};
use rtnetlink::Handle;

use super::NodeError;
use super::netlink::{failed, with_netlink};

/// The qdisc of devices without one.
const NO_QUEUE: &str = "noqueue";

/// Whether a device has a clsact ingress filter with this priority and handle.
///
/// # Errors
/// When netlink fails.
pub fn has_filter(device: u32, priority: u16, handle: u32) -> Result<bool, NodeError> {
    with_netlink(async |netlink| {
        let mut filters = netlink.traffic_filter(device.cast_signed()).get().ingress().execute();
        while let Some(filter) = filters.try_next().await.map_err(failed("list filters"))? {
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

/// Removes the clsact qdisc of a device unless it holds a filter. One that is gone is fine.
///
/// # Errors
/// When netlink fails.
pub fn remove_empty_clsact(device: u32) -> Result<(), NodeError> {
    with_netlink(async |netlink| {
        if is_used(&netlink, device.cast_signed()).await? {
            return Ok(());
        }
        let mut request = netlink.qdisc().del(device.cast_signed());
        request.message_mut().header.parent = TcHandle::CLSACT;
        // Somebody else may have removed it meanwhile.
        let _ = request.execute().await;
        Ok(())
    })
}

/// The kind of a device's own qdisc, through which go the packets that leave by it; none if they go through none.
///
/// # Errors
/// When netlink fails.
pub fn root_qdisc(device: u32) -> Result<Option<String>, NodeError> {
    with_netlink(async |netlink| {
        let mut qdiscs = netlink.qdisc().get().index(device.cast_signed()).execute();
        let mut found = None;
        // Older kernels tell of all devices.
        while let Some(qdisc) = qdiscs.try_next().await.map_err(failed("list qdiscs"))? {
            let is_root = qdisc.header.parent == TcHandle::ROOT;
            if qdisc.header.index == device.cast_signed() && is_root {
                let kind = qdisc.attributes.into_iter().find_map(|attribute| {
                    let TcAttribute::Kind(kind) = attribute else { return None };
                    Some(kind)
                });
                found = kind.filter(|kind| kind != NO_QUEUE);
            }
        }
        Ok(found)
    })
}

async fn is_used(netlink: &Handle, device: i32) -> Result<bool, NodeError> {
    let filters = || netlink.traffic_filter(device).get();
    let mut ingress = filters().ingress().execute();
    let mut egress = filters().egress().execute();
    Ok(ingress.try_next().await.map_err(failed("list filters"))?.is_some()
        || egress.try_next().await.map_err(failed("list filters"))?.is_some())
}
