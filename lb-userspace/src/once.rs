//! What is done once for each key: pools that share maps have them opened, and walked through, once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;

/// What is known of `key`, found out by `make` the first time. If that fails, nothing is known.
///
/// # Errors
/// That of `make`.
pub(crate) fn once<K: Eq + Hash, V, E>(
    known: &mut HashMap<K, V>,
    key: K,
    make: impl FnOnce(&K) -> Result<V, E>,
) -> Result<&mut V, E> {
    Ok(match known.entry(key) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(new) => {
            let made = make(new.key())?;
            new.insert(made)
        }
    })
}
