//! Reading a map that others change meanwhile.

use std::collections::HashMap;
use std::hash::Hash;

/// Fresh starts after which a walk is as good as it gets.
const STARTS: u32 = 64;

/// The entries that there are, by a walk through them.
///
/// The kernel starts a walk anew if the key it stands on is removed under it (linux/kernel/bpf/hashtab.c,
/// `htab_map_get_next_key`). A key that comes twice tells, and what was read is forgotten: otherwise a map whose
/// entries come and go would seem several times as full as it is.
///
/// # Errors
/// The first that the walk has.
pub(super) fn whole<K: Eq + Hash, V, E>(
    entries: impl IntoIterator<Item = Result<(K, V), E>>,
) -> Result<HashMap<K, V>, E> {
    let (mut seen, mut longest, mut starts) = (HashMap::new(), HashMap::new(), 1);
    for entry in entries {
        let (key, value) = entry?;
        if seen.contains_key(&key) {
            if seen.len() > longest.len() {
                longest = std::mem::take(&mut seen);
            }
            if starts == STARTS {
                return Ok(longest);
            }
            starts += 1;
            seen.clear();
        }
        seen.insert(key, value);
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(keys: &[u32]) -> usize {
        whole::<_, _, ()>(keys.iter().map(|key| Ok((*key, ())))).unwrap().len()
    }

    #[test]
    fn each_key_counts_once() {
        assert_eq!(counted(&[]), 0);
        assert_eq!(counted(&[7]), 1);
        assert_eq!(counted(&[3, 1, 2]), 3);
    }

    #[test]
    fn a_walk_that_started_anew_is_counted_anew() {
        // 3 went away while the walk stood on it, 2 before it came back.
        assert_eq!(counted(&[1, 2, 3, 1, 4, 5]), 3);
        assert_eq!(counted(&[1, 2, 1, 2, 1, 2]), 2);
    }

    #[test]
    fn a_walk_without_an_end_is_given_up() {
        let endless = (0..5_u32).cycle().map(|key| Ok::<_, ()>((key, key)));
        assert_eq!(whole(endless).unwrap().len(), 5);
    }

    #[test]
    fn what_cannot_be_read_is_no_count() {
        assert_eq!(whole([Ok((1, ())), Err("gone")]), Err("gone"));
    }
}
