//! Filters and the qdisc that holds them, by netlink. Everything here is about the current namespace.

use futures_util::TryStreamExt as _;
use netlink_packet_route::tc::TcHandle;
use rtnetlink::Handle;

use super::NodeError;
use super::netlink::{failed, with_netlink};

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

async fn is_used(netlink: &Handle, device: i32) -> Result<bool, NodeError> {
    let filters = || netlink.traffic_filter(device).get();
    let mut ingress = filters().ingress().execute();
    let mut egress = filters().egress().execute();
    Ok(ingress.try_next().await.map_err(failed("list filters"))?.is_some()
        || egress.try_next().await.map_err(failed("list filters"))?.is_some())
}
