//! The least loaded member without looking at all of them.
//!
//! A binary tree has the members as its leaves, by index; each node names the winner below it, so the
//! root names the best. Whoever changes a member's load afterwards plays the matches on the
//! way from that leaf to the root again. That is a lock-free f-array (P. Jayanti, "f-arrays:
//! implementation and applications", PODC 2002): a match is played by reading the node, comparing its
//! children and exchanging the node if nobody has since. If that fails twice, somebody else's second
//! reading of the children came after our change, and the result stands for us, too.
//!
//! Leaves and winners are compared by their loads as they are, not by copies. A new set
//! comes with empty nodes, and the first connection plays all matches once; what changes
//! meanwhile is played by those who change it.

use crate::{
    schedule::{NOBODY, Rank, Set, scan},
    state::Node,
    tables::{Step, Tables},
};

/// Matches are tried so often; see above.
const TRIES: u32 = 2;

const ROOT: u32 = 1;
/// The node that says whether the others have been filled.
const FILLED: u32 = 0;

/// The index of the least loaded member that can take a connection.
#[inline(always)]
pub(super) fn winner<T: Tables>(tables: &T, set: Set<'_>) -> Option<u32> {
    let filled = tables.node(&set.pool.part(set.index, FILLED))?;
    if filled.0.get() == 0 {
        if T::DRY {
            return scan::least_loaded(tables, set);
        }
        tables.repeat(set.pool.leaves - 1, &mut Fill(set));
        filled.0.set(1);
    }
    let winner = node_winner(tables, set, ROOT);
    (winner != NOBODY).then_some(winner)
}

/// Lets the tree know that the load of a member has changed.
#[inline(always)]
pub(super) fn changed<T: Tables>(tables: &T, set: Set<'_>, member: u32) {
    if member < set.pool.leaves {
        let mut climb = Climb { set, place: set.pool.leaves + member };
        tables.repeat(set.pool.leaves.ilog2(), &mut climb);
    }
}

/// Plays all matches, from the last node to the root, so that children come before parents.
struct Fill<'a>(Set<'a>);

impl<T: Tables> Step<T> for Fill<'_> {
    #[inline(always)]
    fn step(&mut self, tables: &T, done: u32) -> bool {
        play(tables, self.0, (self.0.pool.leaves - 1).wrapping_sub(done));
        true
    }
}

/// Plays the matches from a leaf to the root.
struct Climb<'a> {
    set: Set<'a>,
    place: u32,
}

impl<T: Tables> Step<T> for Climb<'_> {
    #[inline(always)]
    fn step(&mut self, tables: &T, _: u32) -> bool {
        self.place /= 2;
        play(tables, self.set, self.place);
        true
    }
}

#[inline(always)]
fn play<T: Tables>(tables: &T, set: Set<'_>, place: u32) {
    let Some(node) = tables.node(&set.pool.part(set.index, place)) else { return };
    for _ in 0..TRIES {
        // A reading that the children's cannot overtake.
        let before = tables.add64(&node.0, 0);
        let (left, right) =
            (contender(tables, set, 2 * place), contender(tables, set, 2 * place + 1));
        let winner = if right.1.beats(&left.1) { right } else { left };
        if tables.exchange64(&node.0, before, result(before, winner)) == before {
            return;
        }
    }
}

/// Who comes to a match from this place, and the rank there.
#[inline(always)]
fn contender<T: Tables>(tables: &T, set: Set<'_>, place: u32) -> (u32, Rank) {
    let member = match place.checked_sub(set.pool.leaves) {
        Some(member) => member,
        None => node_winner(tables, set, place),
    };
    (member, set.rank(tables, member))
}

/// The winner at a node; nobody's index if there is none.
#[inline(always)]
fn node_winner<T: Tables>(tables: &T, set: Set<'_>, place: u32) -> u32 {
    let node = tables.node(&set.pool.part(set.index, place));
    node.map_or(NOBODY, |node: T::Ref<Node>| (node.0.get() as u32).wrapping_sub(1))
}

/// A node's word after a match: in the low half the winner's index plus one, zero if nobody can take
/// a connection; in the high half a number that makes every result a new one.
#[inline(always)]
fn result(before: u64, (member, rank): (u32, Rank)) -> u64 {
    let winner = if rank == Rank::LAST { 0 } else { member.wrapping_add(1) };
    (((before >> 32) + 1) << 32) | winner as u64
}
