//! The hook of the device's driver (native XDP): a link, pinned as the one of tcx is.

use std::path::Path;

use aya::programs::{
    Link as _, Xdp, XdpMode,
    links::{FdLink, PinnedLink},
    xdp::XdpLink,
};

use super::DatapathError;
use super::attach::refused;
use crate::node::Device;

/// Name of the hook in messages.
const XDP: &str = "native XDP";
/// Name of the pinned link.
const LINK: &str = "xdp";

/// Puts the program on the device, or in the place of the one that the pinned link has there. A driver that cannot run
/// it refuses: the kernel's own substitute (generic XDP) breaks checksums that are left to devices.
pub(super) fn attach(program: &mut Xdp, device: &Device, pins: &Path) -> Result<(), DatapathError> {
    let path = pins.join(LINK);
    let name = device.name.as_str();
    let failed = |source| refused(name, XDP, source);
    if let Ok(link) = PinnedLink::from_pin(&path) {
        let link = XdpLink::try_from(FdLink::from(link))?;
        if let Ok(id) = program.attach_to_link(link) {
            // The pin still holds the link.
            drop(FdLink::try_from(program.take_link(id).map_err(failed)?)?);
            return Ok(());
        }
        // The device was unplugged meanwhile: the link is an empty shell.
        detach(pins)?;
    }
    let id = program.attach_to_if_index(device.index, XdpMode::Driver).map_err(failed)?;
    let link = program.take_link(id).map_err(failed)?;
    // The pin, not this handle, keeps the link from here on.
    let pinned = FdLink::try_from(link)?.pin(&path);
    pinned.map(drop).map_err(|source| DatapathError::Pin { path, source })
}

/// Detaches and unpins the link, if there is one.
pub(super) fn detach(pins: &Path) -> Result<(), DatapathError> {
    let path = pins.join(LINK);
    let Ok(link) = PinnedLink::from_pin(&path) else { return Ok(()) };
    let link = link.unpin().map_err(|source| DatapathError::Unpin { path, source })?;
    link.detach().map_err(|source| refused("of the pinned link", XDP, source))
}
