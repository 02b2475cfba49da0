//! The least loaded member without looking at all of them.
//!
//! A binary tree has the members as its leaves; each node names the winner below it, so the
//! root names the best. Whoever changes a member's load afterwards plays the matches on the
//! way from that leaf to the root again. That is a lock-free f-array (P. Jayanti, "f-arrays:
//! implementation and applications", PODC 2002): a match is played by reading the node, comparing its
//! children and exchanging the node if nobody has since. If that fails twice, somebody else's second
//! reading of the children came after our change, and the result stands for us, too.
//!
//! Leaves and winners are compared by their loads as they are, not by copies. A new set
//! comes with empty nodes, and the first connection plays all matches once; what changes
//! meanwhile is played by those who change it.
//!
//! Ejected members come behind all others, or they would win all matches as soon as their connections
//! have ended. No packet says that an ejection is over, so each node also names the member below whose
//! ejection ends first ([`super::back`]).

use crate::{
    schedule::{NOBODY, Rank, Set, back},
    state::{MEMBER_INDEXES, Node, Pool},
    tables::{Step, Tables},
};

/// A match is played so often at most; see above.
pub(super) const TRIES: u32 = 2;

/// Bits of an index in an [`Outcome`].
const BITS: u32 = 16;
const MASK: u32 = (1 << BITS) - 1;

pub(super) const ROOT: u32 = 1;
/// The node that says whether the others have been filled.
const FILLED: u32 = 0;

/// The index of the least loaded member that can take a connection at this monotonic time in
/// nanoseconds; an ejected one only if all are.
#[inline(always)]
pub(super) fn winner<T: Tables>(tables: &T, set: Set<'_>, now: u64) -> Option<u32> {
    let filled = tables.node(&set.pool.part(set.index, FILLED))?;
    if filled.0.get() == 0 {
        let mut fill = Fill { set, next: Match(set.pool.leaves - 1) };
        tables.repeat(TRIES * set.pool.leaves, &mut fill);
        filled.0.set(1);
    }
    back::let_in(tables, set, now);
    let winner = outcome(tables, set, ROOT).winner();
    (winner != NOBODY).then_some(winner)
}

/// Lets the tree know that the load of a member has changed.
#[inline(always)]
pub(super) fn changed<T: Tables>(tables: &T, set: Set<'_>, member: u32) {
    if let Some(leaf) = set.leaf(tables, member) {
        let mut climb = Climb { pool: set.pool, index: set.index, next: Match::above(set, leaf) };
        tables.repeat(TRIES * set.pool.leaves.trailing_zeros(), &mut climb);
    }
}

/// Plays all matches, from the last node to the root, so that children come before parents.
struct Fill<'a> {
    set: Set<'a>,
    next: Match,
}

impl<T: Tables> Step<T> for Fill<'_> {
    #[inline(always)]
    fn step(&mut self, tables: &T, _: u32) -> bool {
        if self.next.play(tables, self.set) {
            self.next.0 -= 1;
        }
        self.next.0 >= ROOT
    }
}

/// Plays the matches from a leaf to the root. No [`Set`], which would leave a hole in it, because of the BPF stack.
struct Climb<'a> {
    pool: &'a Pool,
    index: u32,
    next: Match,
}

impl<T: Tables> Step<T> for Climb<'_> {
    #[inline(always)]
    fn step(&mut self, tables: &T, _: u32) -> bool {
        self.next.climb(tables, Set { index: self.index, pool: self.pool })
    }
}

/// The match at a node: its place, and in the highest bit whether it was played in vain before. In one number, because of the BPF
/// stack.
#[derive(Clone, Copy)]
pub(super) struct Match(u32);

impl Match {
    const AGAIN: u32 = 1 << 31;

    /// No match.
    pub(super) const NONE: Self = Self(0);

    #[inline(always)]
    pub(super) const fn is_any(self) -> bool {
        self.0 != 0
    }

    /// The first match of whoever has this leaf.
    #[inline(always)]
    pub(super) const fn above(set: Set<'_>, leaf: u32) -> Self {
        Self((set.pool.leaves + leaf) / 2)
    }

    /// Plays it, and goes on to the one above. Returns whether there is one.
    #[inline(always)]
    pub(super) fn climb<T: Tables>(&mut self, tables: &T, set: Set<'_>) -> bool {
        if self.play(tables, set) {
            self.0 /= 2;
        }
        self.0 >= ROOT
    }

    /// Plays it once. Returns whether the result stands.
    #[inline(always)]
    fn play<T: Tables>(&mut self, tables: &T, set: Set<'_>) -> bool {
        const { assert!(TRIES == 2) };
        let place = self.0 & !Self::AGAIN;
        let was_played = self.0 != place;
        self.0 = place;
        let Some(node) = tables.node(&set.pool.part(set.index, place)) else { return true };
        // A reading that the children's cannot overtake.
        let before = tables.add64(&node.0, 0);
        let (left, right) = (outcome(tables, set, 2 * place), outcome(tables, set, 2 * place + 1));
        let returner = back::sooner(tables, left.returner(), right.returner());
        let winner = better(tables, set, left.winner(), right.winner());
        let after = Outcome::new(winner, returner).follow(before);
        let stands = tables.exchange64(&node.0, before, after) == before || was_played;
        if !stands {
            self.0 = place | Self::AGAIN;
        }
        stands
    }
}

/// The better of two winners.
#[inline(always)]
fn better<T: Tables>(tables: &T, set: Set<'_>, left: u32, right: u32) -> u32 {
    let (l, r) = (set.rank_apart(tables, left), set.rank_apart(tables, right));
    let (winner, rank) = if r.beats(&l) { (right, r) } else { (left, l) };
    if rank == Rank::LAST { NOBODY } else { winner }
}

/// What a node says of the members below it. In the low half of its word are two indexes plus one, zero
/// for nobody's: the winner's, and above it that of the member whose ejection ends first. In the high
/// half is a number that makes every result a new one.
#[derive(Clone, Copy)]
pub(super) struct Outcome(u32);

impl Outcome {
    #[inline(always)]
    const fn new(winner: u32, returner: u32) -> Self {
        const { assert!(MEMBER_INDEXES < MASK) };
        Self((winner.wrapping_add(1) & MASK) | (returner.wrapping_add(1) << BITS))
    }

    /// The index of the least loaded member; nobody's if none can take a connection.
    #[inline(always)]
    pub(super) const fn winner(self) -> u32 {
        (self.0 & MASK).wrapping_sub(1)
    }

    /// The index of the member whose ejection ends first; nobody's if none is ejected.
    #[inline(always)]
    pub(super) const fn returner(self) -> u32 {
        (self.0 >> BITS).wrapping_sub(1)
    }

    /// The node's word after a match.
    #[inline(always)]
    const fn follow(self, before: u64) -> u64 {
        (((before >> 32) + 1) << 32) | self.0 as u64
    }
}

/// What comes to a match from this place.
#[inline(always)]
pub(super) fn outcome<T: Tables>(tables: &T, set: Set<'_>, place: u32) -> Outcome {
    match place.checked_sub(set.pool.leaves) {
        Some(leaf) => match set.member(tables, leaf) {
            Some(member) if set.is_out(tables, member) => Outcome::new(member, member),
            Some(member) => Outcome::new(member, NOBODY),
            None => Outcome::new(NOBODY, NOBODY),
        },
        None => {
            let node = tables.node(&set.pool.part(set.index, place));
            Outcome(node.map_or(0, |node: T::Ref<Node>| node.0.get() as u32))
        }
    }
}
