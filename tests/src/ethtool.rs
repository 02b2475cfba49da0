//! Offload switches of a device, through the ethtool program.

use crate::{Error, Namespace};

/// Switches features on or off, named as ethtool(8) abbreviates them: `tx`, `tso`, `gso`, `gro`.
///
/// Without `tx` a veth's sender computes its checksums itself; only then does a capture at the
/// receiver show the bytes a wire would carry.
///
/// # Errors
/// [`Error::Program`] with ethtool's words when the device refuses.
pub fn set(namespace: &Namespace, device: &str, features: &[(&str, bool)]) -> Result<(), Error> {
    let switches = features.iter().flat_map(|(name, on)| [*name, if *on { "on" } else { "off" }]);
    let command = namespace.command("ethtool").args(["-K", device]).args(switches);
    command.stdout().map(drop)
}

/// Whether a feature is on, by its long name: `tx-checksumming`, `generic-receive-offload`.
///
/// # Errors
/// [`Error::Program`] if ethtool fails, [`Error::Unexpected`] if it does not know the feature.
pub fn get(namespace: &Namespace, device: &str, feature: &str) -> Result<bool, Error> {
    let text = namespace.command("ethtool").args(["-k", device]).stdout()?;
    let state = text.lines().find_map(|line| line.trim().strip_prefix(feature)?.strip_prefix(": "));
    match state.map(|state| state.split(' ').next().unwrap_or(state)) {
        Some("on") => Ok(true),
        Some("off") => Ok(false),
        Some(_) | None => Err(Error::Unexpected {
            what: format!("feature {feature} of {device}"),
            found: state.unwrap_or("nothing").to_owned(),
        }),
    }
}
