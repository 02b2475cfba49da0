//! Where a VIP is.

use std::net::IpAddr;

use super::device::find_devices;
use super::{Device, NodeError, Place};

/// The namespace and device of a VIP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The namespace.
    pub place: Place,
    /// The namespace's number ([`Place::number`]).
    pub netns: u64,
    /// The device.
    pub device: Device,
}

/// Finds the namespace and device of a VIP: the namespace called `namespace`, else the
/// current one if a device there has the VIP.
///
/// # Errors
/// When neither has it, or the device cannot serve it.
pub fn locate(namespace: &str, vip: IpAddr) -> Result<Site, NodeError> {
    let place = Place::named_or_current(namespace);
    let mut devices = place.run(|| find_devices(vip))?;
    let Some(device) = devices.pop() else {
        let namespace = namespace.to_owned();
        return Err(if place.is_current() {
            NodeError::NoNamespace { namespace, vip }
        } else {
            NodeError::NoDevice { namespace, vip }
        });
    };
    let namespace = place.describe().to_owned();
    if let Some(other) = devices.pop() {
        return Err(NodeError::SeveralDevices {
            namespace,
            vip,
            devices: [other.name, device.name],
        });
    }
    if !device.ethernet {
        return Err(NodeError::NotEthernet { namespace, device: device.name, vip });
    }
    if !device.up {
        return Err(NodeError::DeviceDown { namespace, device: device.name });
    }
    Ok(Site { netns: place.number()?, place, device })
}
