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

impl Site {
    /// Makes sure that members' answers to `source` come in on the VIP's device: the namespace answers for
    /// an address (ARP) that is on one of its devices, and it has to be this one.
    ///
    /// # Errors
    /// When the address is not on the VIP's device.
    pub fn check_source(&self, source: IpAddr) -> Result<(), NodeError> {
        let devices = self.place.run(|| find_devices(source))?;
        if devices.iter().any(|device| device.index == self.device.index) {
            return Ok(());
        }
        let elsewhere = devices.into_iter().next().map(|device| device.name);
        Err(NodeError::NoSource {
            source_address: source,
            namespace: self.place.describe().to_owned(),
            device: self.device.name.clone(),
            elsewhere: elsewhere.map(|name| format!(" but on {name}")).unwrap_or_default(),
        })
    }
}
