//! What neighbours were told of addresses.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An address of a pool that was to be announced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Announcement {
    /// The pool's id.
    pub pool: String,
    /// The VIP, or one of `snat_addresses`.
    pub address: String,
    /// The namespace; null for one without a name.
    pub namespace: Option<String>,
    /// The device.
    pub device: String,
    /// The MAC address that neighbours were told; null if they were not.
    pub mac: Option<String>,
    /// How often they were told.
    pub rounds: u64,
    /// Why not, or not the last time; null if they were.
    pub reason: Option<String>,
}

/// What has become of announcements.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Announcements {
    /// Version of the answer.
    pub api_version: String,
    /// Each address.
    pub announcements: Vec<Announcement>,
}
