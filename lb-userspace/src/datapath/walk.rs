//! Counting the keys of a map that others change meanwhile.

use std::collections::HashSet;
use std::hash::Hash;

/// Fresh starts after which a count is as good as it gets.
const STARTS: u32 = 64;

/// How many keys there are, by a walk through them.
///
/// The kernel starts a walk anew if the key it stands on is removed under it (linux/kernel/bpf/hashtab.c,
/// `htab_map_get_next_key`). A key that comes twice tells, and the count starts anew, too: otherwise a map whose
/// entries come and go would seem several times as full as it is.
///
/// # Errors
/// The first that the walk has.
pub(super) fn count<K: Eq + Hash, E>(
    keys: impl IntoIterator<Item = Result<K, E>>,
) -> Result<u64, E> {
    let (mut seen, mut longest, mut starts) = (HashSet::new(), 0, 1);
    for key in keys {
        let key = key?;
        if seen.contains(&key) {
            longest = longest.max(seen.len());
            if starts == STARTS {
                return Ok(longest as u64);
            }
            starts += 1;
            seen.clear();
        }
        seen.insert(key);
    }
    Ok(seen.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(keys: &[u32]) -> u64 {
        count::<_, ()>(keys.iter().copied().map(Ok)).unwrap()
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
        let endless = (0..5_u32).cycle().map(Ok::<_, ()>);
        assert_eq!(count(endless), Ok(5));
    }

    #[test]
    fn what_cannot_be_read_is_no_count() {
        assert_eq!(count([Ok(1), Err("gone")]), Err("gone"));
    }
}
