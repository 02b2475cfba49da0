//! The places in shared maps that were never given out: who comes need not look at everybody who is there.

use serde::{Deserialize, Serialize};

use super::file::{malformed, read, replace};
use super::{Registry, RegistryError};

/// The lowest places from which on none was ever given out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// Indexes of pools.
    pub pools: u32,
    /// Indexes of members.
    pub members: u32,
    /// Zones of devices.
    pub zones: u32,
}

impl Registry {
    /// What was given out of the maps that devices of the node share. The lock on changes must be held.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn given_out(&self) -> Result<Ledger, RegistryError> {
        let path = self.ledger();
        let Some(text) = read(&path)? else { return Ok(Ledger::default()) };
        serde_json::from_slice(&text).map_err(malformed(&path))
    }

    /// Writes down what was given out, before it is used. The lock on changes must be held.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn give_out(&self, ledger: &Ledger) -> Result<(), RegistryError> {
        let path = self.ledger();
        replace(&path, &serde_json::to_vec(ledger).map_err(malformed(&path))?)
    }
}
