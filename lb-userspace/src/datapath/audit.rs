//! The counts of active connections, audited against conntrack.
//!
//! Connections open and end while conntrack is walked. A member's count has a stamp that every change
//! of it moves, so a member that held still is known by its stamp. A connection is in conntrack just
//! before it is counted, and for that moment a member that held still seems wrong: so what seems wrong
//! is looked at again, and is wrong if it is found the same way and has not moved in between. The moment lasts
//! as long as the CPU is elsewhere, so there is a last look after a while.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::thread;
use std::time::Duration;

use lb_common::state::Load;

use super::{DatapathError, Maps};

/// How often it is looked at most: a busy pool may never hold still.
const LOOKS: usize = 5;
/// What a connection that is just opening is given until the next look.
const PAUSE: Duration = Duration::from_millis(5);
/// What one is given whose CPU serves another machine meanwhile.
const PATIENCE: Duration = Duration::from_millis(500);

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audit {
    /// How far the counts of members and listener are from what conntrack holds, all together; none
    /// if not one of them held still.
    pub drift: Option<u64>,
    /// The pool's conntrack entries.
    pub entries: u64,
}

/// Who has a count: a member of a pool, by index, or its listener.
type Who = (u32, Option<u32>);

/// Pools by index, and the members of each.
type Pools = BTreeMap<u32, BTreeSet<u32>>;

/// Conntrack entries by pool.
type Entries = HashMap<u32, u64>;

/// A count and its stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Count {
    active: u32,
    stamp: u64,
}

/// The counts that held still during a look, with how far each was from what conntrack held.
type Look = BTreeMap<Who, (Count, i64)>;

/// Compares the counts of these members of pools, and of all that conntrack knows of theirs, with conntrack. The answers come
/// in the order of the pools.
///
/// # Errors
/// When a map cannot be read.
pub fn audit(maps: &Maps, pools: &[(u32, Vec<u32>)]) -> Result<Vec<Audit>, DatapathError> {
    let members = |(pool, members): &(u32, Vec<u32>)| (*pool, members.iter().copied().collect());
    let mut watched: Pools = pools.iter().map(members).collect();
    let (mut found, mut entries) = looks(maps, &mut watched)?;
    if found.values().any(|(_, off)| *off != 0) {
        thread::sleep(PATIENCE);
        let again;
        (again, entries) = looks(maps, &mut watched)?;
        found = confirmed(found, &again);
    }
    let of = |(pool, _): &(u32, Vec<u32>)| {
        let still = found.range((*pool, None)..=(*pool, Some(u32::MAX)));
        let off: Vec<u64> = still.map(|(_, (_, off))| off.unsigned_abs()).collect();
        let drift = (!off.is_empty()).then(|| off.iter().sum());
        Audit { drift, entries: entries.get(pool).copied().unwrap_or(0) }
    };
    Ok(pools.iter().map(of).collect())
}

/// Looks until everybody has held still, or often enough: what is certain then.
fn looks(maps: &Maps, watched: &mut Pools) -> Result<(Look, Entries), DatapathError> {
    let (mut found, mut last, mut entries) = (Look::new(), Look::new(), Entries::new());
    for turn in 0..LOOKS {
        if turn > 0 {
            thread::sleep(PAUSE);
        }
        let look;
        (look, entries) = self::look(maps, watched)?;
        let wanted: usize = watched.values().map(|members| members.len() + 1).sum();
        found.extend(settled(&look, &last));
        if found.len() == wanted {
            break;
        }
        last = look;
    }
    Ok((found, entries))
}

/// What is certain of a look: what is right, and what was wrong in the same way the last time.
fn settled(look: &Look, last: &Look) -> Look {
    let certain = |(who, seen): &(&Who, &(Count, i64))| seen.1 == 0 || last.get(who) == Some(seen);
    look.iter().filter(certain).map(|(who, seen)| (*who, *seen)).collect()
}

/// What is certain after a while: all as it was found again. What was wrong and was not found again is not certain.
fn confirmed(found: Look, again: &Look) -> Look {
    let now = |(who, seen): (Who, (Count, i64))| match again.get(&who) {
        Some(now) => Some((who, *now)),
        None => (seen.1 == 0).then_some((who, seen)),
    };
    found.into_iter().filter_map(now).collect()
}

/// Looks once; `pools` gain the members that only conntrack knows.
fn look(maps: &Maps, pools: &mut Pools) -> Result<(Look, Entries), DatapathError> {
    let before = counts(maps, pools)?;
    let (held, entries) = recount(maps)?;
    for (pool, member) in held.keys() {
        if let (Some(members), Some(member)) = (pools.get_mut(pool), member) {
            members.insert(*member);
        }
    }
    let after = counts(maps, pools)?;
    let still = after.iter().filter(|(who, count)| before.get(who) == Some(count));
    let off = |(who, count): (&Who, &Count)| {
        (*who, (*count, i64::from(count.active) - held.get(who).copied().unwrap_or(0)))
    };
    Ok((still.map(off).collect(), entries))
}

/// The counts as they are, those of a pool within a moment of each other.
fn counts(maps: &Maps, pools: &Pools) -> Result<BTreeMap<Who, Count>, DatapathError> {
    let mut counts = BTreeMap::new();
    for (pool, members) in pools {
        // Every member's change moves the pool's stamp.
        let stamp = maps.cursor(*pool)?.stamp.get();
        let active = maps.vip_load(*pool)?.active.get();
        counts.insert((*pool, None), Count { active, stamp });
        for member in members {
            let Load { active, stamp, .. } = maps.load(*member)?;
            let count = Count { active: active.get(), stamp: stamp.get() };
            counts.insert((*pool, Some(*member)), count);
        }
    }
    Ok(counts)
}

/// The connections in conntrack that are not over, and how many entries there are for each pool.
fn recount(maps: &Maps) -> Result<(HashMap<Who, i64>, Entries), DatapathError> {
    let all = maps.walk_flows(|flow| {
        let is_live = !flow.is_from_member() && !flow.phase.get().is_closed();
        (flow.pool(), is_live.then_some(flow.member))
    })?;
    let (mut held, mut entries) = (HashMap::new(), Entries::new());
    for (pool, member) in all.into_values() {
        *entries.entry(pool).or_default() += 1;
        if let Some(member) = member {
            for who in [(pool, Some(member)), (pool, None)] {
                *held.entry(who).or_default() += 1;
            }
        }
    }
    Ok((held, entries))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(active: u32, stamp: u64, off: i64) -> Look {
        Look::from([((0, Some(1)), (Count { active, stamp }, off))])
    }

    #[test]
    fn what_is_right_needs_no_second_look() {
        assert_eq!(settled(&seen(3, 7, 0), &Look::new()), seen(3, 7, 0));
    }

    #[test]
    fn what_is_wrong_must_stay_so() {
        let (right, wrong) = (seen(3, 7, 0), seen(3, 7, -1));
        assert_eq!(confirmed(wrong.clone(), &wrong), wrong);
        assert_eq!(confirmed(wrong.clone(), &right), right, "counted at last");
        assert_eq!(confirmed(wrong.clone(), &seen(4, 8, 0)), seen(4, 8, 0), "and one more");
        assert_eq!(confirmed(wrong.clone(), &seen(4, 8, -1)), seen(4, 8, -1), "wrong as ever");
        assert_eq!(confirmed(wrong, &Look::new()), Look::new(), "it did not hold still");
        assert_eq!(confirmed(right.clone(), &Look::new()), right);
    }

    #[test]
    fn what_is_wrong_must_be_wrong_twice_without_a_change() {
        let wrong = seen(3, 7, -1);
        assert_eq!(settled(&wrong, &Look::new()), Look::new());
        assert_eq!(settled(&wrong, &seen(3, 6, -1)), Look::new(), "it has moved");
        assert_eq!(settled(&wrong, &seen(3, 7, 0)), Look::new(), "just opening");
        assert_eq!(settled(&wrong, &wrong), wrong);
    }
}
