//! iperf3: as many bytes as go, from client to member.

use std::time::Duration;

use serde_json::Value;

use super::error::Error;
use super::peer::Peer;
use crate::Namespace;

/// What came.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bulk {
    /// Gigabits in a second.
    pub(super) rate: f64,
    /// Gigabytes altogether.
    pub(super) bytes: f64,
}

/// Sends for as long.
///
/// # Errors
/// When iperf3 says so.
pub(super) fn run(client: &Namespace, peer: &Peer, duration: Duration) -> Result<Bulk, Error> {
    let (address, port) = (peer.bulk.ip().to_string(), peer.bulk.port().to_string());
    let seconds = duration.as_secs().to_string();
    let args = ["-c", &address, "-p", &port, "-t", &seconds, "--connect-timeout", "5000", "-J"];
    let output = client.command("iperf3").args(args).output()?;
    let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let sum = &told["end"]["sum_received"];
    match (sum["bits_per_second"].as_f64(), sum["bytes"].as_f64()) {
        (Some(rate), Some(bytes)) if output.status.success() => {
            Ok(Bulk { rate: rate / 1e9, bytes: bytes / 1e9 })
        }
        _ => Err(Error::Load {
            peer: peer.name,
            load: "iperf3",
            found: format!("{}{}", output.status, told["error"]),
        }),
    }
}
