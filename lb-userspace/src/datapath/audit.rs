//! The counts of active connections, audited against conntrack.
//!
//! Connections open and end while conntrack is walked. A member's count has a stamp that every change
//! of it moves, so a member that held still is known by its stamp. A connection is in conntrack just
//! before it is counted, and for that moment a member that held still seems wrong: so what seems wrong
//! is looked at again, and is wrong if it is found the same way and has not moved in between.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::thread;
use std::time::Duration;

use lb_common::state::Load;

use super::{DatapathError, Maps, POOL};

/// How often it is looked at most: a busy pool may never hold still.
const LOOKS: usize = 5;
/// What a connection that is just opening is given until the next look.
const PAUSE: Duration = Duration::from_millis(5);

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audit {
    /// How far the counts of members and listener are from what conntrack holds, all together; none
    /// if not one of them held still.
    pub drift: Option<u64>,
    /// Conntrack entries.
    pub entries: u64,
}

/// Who has a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Member(u32),
    Listener,
}

/// A count and its stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Count {
    active: u32,
    stamp: u64,
}

/// The counts that held still during a look, with how far each was from what conntrack held.
type Look = BTreeMap<Who, (Count, i64)>;

/// Compares the counts of these members, and of all that conntrack knows, with conntrack.
///
/// # Errors
/// When a map cannot be read.
pub fn audit(maps: &Maps, members: impl IntoIterator<Item = u32>) -> Result<Audit, DatapathError> {
    let mut members: BTreeSet<u32> = members.into_iter().collect();
    let (mut found, mut last, mut entries) = (Look::new(), Look::new(), 0);
    for turn in 0..LOOKS {
        if turn > 0 {
            thread::sleep(PAUSE);
        }
        let look;
        (look, entries) = self::look(maps, &mut members)?;
        let wanted = members.len() + 1;
        found.extend(settled(&look, &last));
        if found.len() == wanted {
            break;
        }
        last = look;
    }
    let drift = found.values().map(|(_, off)| off.unsigned_abs()).sum();
    Ok(Audit { drift: (!found.is_empty()).then_some(drift), entries })
}

/// What is certain of a look: what is right, and what was wrong in the same way the last time.
fn settled(look: &Look, last: &Look) -> Look {
    let certain = |(who, seen): &(&Who, &(Count, i64))| seen.1 == 0 || last.get(who) == Some(seen);
    look.iter().filter(certain).map(|(who, seen)| (*who, *seen)).collect()
}

/// Looks once; `members` gains those that only conntrack knows.
fn look(maps: &Maps, members: &mut BTreeSet<u32>) -> Result<(Look, u64), DatapathError> {
    let before = counts(maps, members)?;
    let (held, entries) = recount(maps)?;
    members.extend(held.keys());
    let after = counts(maps, members)?;
    let of = |who: &Who| match who {
        Who::Member(index) => held.get(index).copied().unwrap_or(0),
        Who::Listener => held.values().sum(),
    };
    let still = after.iter().filter(|(who, count)| before.get(who) == Some(count));
    let look = still.map(|(who, count)| (*who, (*count, i64::from(count.active) - of(who))));
    Ok((look.collect(), entries))
}

/// The counts as they are, all within a moment of each other.
fn counts(maps: &Maps, members: &BTreeSet<u32>) -> Result<BTreeMap<Who, Count>, DatapathError> {
    // Every member's change moves the pool's stamp.
    let (listener, stamp) = (maps.vip_load(POOL)?.active.get(), maps.cursor(POOL)?.stamp.get());
    let mut counts = BTreeMap::from([(Who::Listener, Count { active: listener, stamp })]);
    for member in members {
        let Load { active, stamp, .. } = maps.load(*member)?;
        let count = Count { active: active.get(), stamp: stamp.get() };
        counts.insert(Who::Member(*member), count);
    }
    Ok(counts)
}

/// The connections in conntrack that are not over, by member, and how many entries there are.
fn recount(maps: &Maps) -> Result<(HashMap<u32, i64>, u64), DatapathError> {
    let live = maps.walk_flows(|flow| {
        let is_live = !flow.is_from_member() && !flow.phase.get().is_closed();
        is_live.then_some(flow.member)
    })?;
    let mut held = HashMap::new();
    for member in live.values().flatten() {
        *held.entry(*member).or_default() += 1;
    }
    Ok((held, live.len() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(active: u32, stamp: u64, off: i64) -> Look {
        Look::from([(Who::Member(1), (Count { active, stamp }, off))])
    }

    #[test]
    fn what_is_right_needs_no_second_look() {
        assert_eq!(settled(&seen(3, 7, 0), &Look::new()), seen(3, 7, 0));
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
