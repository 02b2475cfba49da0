//! Where the identifications of datagrams in fragments begin.

use std::hash::{BuildHasher as _, RandomState};

use lb_common::state::ID_PLACES;

use super::maps::failed;
use super::{DatapathError, Maps};

/// A number for each place that nobody can guess.
fn scattered() -> impl Iterator<Item = (u32, u32)> {
    let hasher = RandomState::new();
    (0..ID_PLACES).map(move |place| (place, hasher.hash_one(place) as u32))
}

impl Maps {
    /// Lets identifications begin anywhere, each place's elsewhere: of a datapath that began anew some that are
    /// on their way would come again, and who can guess one can spoil the datagram (RFC 7739).
    ///
    /// # Errors
    /// When the map cannot be written.
    pub fn scatter_ids(&mut self) -> Result<(), DatapathError> {
        let mut set = |(place, id)| self.last_ids.set(place, id, 0);
        scattered().try_for_each(&mut set).map_err(failed("LAST_IDS"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_datapaths_begin_alike() {
        let ids: BTreeSet<u32> = scattered().chain(scattered()).map(|(_, id)| id).collect();
        // Two of so few are equal once in a hundred thousand runs by chance.
        assert!(ids.len() >= 2 * ID_PLACES as usize - 1, "{}", ids.len());
    }
}
