//! Members that the datapath cannot reach.

use std::net::{IpAddr, Ipv4Addr};

use crate::config::PoolSpec;
use crate::node::{NodeError, Place, Way, way_to};

/// Warns of members whose packets would not leave by the VIP's device: one arm is all there is.
pub(super) fn warn_unreachable(place: &Place, device: u32, name: &str, pool: &PoolSpec) {
    for member in &pool.members {
        let IpAddr::V4(address) = member.address else { continue };
        if let Some(problem) = problem(place, device, address) {
            tracing::warn!(
                pool = %pool.id, member = %member.id,
                "{address} {problem}: its connections will fail; members must be reached through {name}"
            );
        }
    }
}

fn problem(place: &Place, device: u32, address: Ipv4Addr) -> Option<&'static str> {
    match place.run(|| way_to(address)) {
        Ok(Way::Device(found)) if found == device => None,
        Ok(Way::Device(_)) => Some("is reached through another device"),
        Ok(Way::Local) => Some("is an address of the VIP's own namespace"),
        Ok(Way::None) => Some("has no route"),
        Err(NodeError::Enter { .. }) => Some("is in a namespace that is gone"),
        Err(error) => {
            tracing::debug!(%error, "cannot look up the way to a member");
            None
        }
    }
}
