//! The parts of a pool's set of members, each in a map of its own: written before the pool names them, removed after it
//! names others.
//!
//! A set that is being written or removed has a mark. Whoever finds the mark of somebody who died in the midst of it
//! removes all that is not of the set in use; else nobody has to look at what is not his.

use aya::Pod;
use aya::maps::{HashMap, MapData};
use lb_common::state::{Node, PartKey, Pool, Slot};
use zerocopy::transmute;

use super::maps::{Part, failed, found};
use super::{DatapathError, Maps};

/// The seat that no leaf has: that of the mark.
const MARK: u32 = u32::MAX;

/// A pool, and all that it refers to.
#[derive(Clone, Debug)]
pub struct Set {
    /// The pool.
    pub pool: Pool,
    /// Its members, each with its leaf.
    pub slots: Vec<Slot>,
    /// The member of each tick of its order.
    pub order: Vec<u32>,
}

impl Maps {
    /// Writes everything that the pool of the set will refer to.
    pub(super) fn write_parts(&mut self, index: u32, set: &Set) -> Result<(), DatapathError> {
        let Set { pool, slots, order } = set;
        for slot in slots {
            let member = raw(pool, index, slot.member);
            let value: [u8; _] = transmute!(*slot);
            self.slots.insert(member, value, 0).map_err(failed("SLOTS"))?;
            self.seats
                .insert(raw(pool, index, slot.leaf.into()), slot.member, 0)
                .map_err(failed("SEATS"))?;
        }
        for (tick, member) in (0..).zip(order) {
            self.ticks.insert(raw(pool, index, tick), member, 0).map_err(failed("TICKS"))?;
        }
        if pool.has_tournament() {
            let empty: [u8; _] = transmute!(Node::default());
            for node in 0..pool.leaves {
                self.nodes.insert(raw(pool, index, node), empty, 0).map_err(failed("NODES"))?;
            }
        }
        Ok(())
    }

    /// The members of a pool's set.
    pub(super) fn seated(&self, index: u32, pool: &Pool) -> Result<Vec<u32>, DatapathError> {
        let seat = |leaf| found(self.seats.get(&raw(pool, index, leaf), 0), "SEATS");
        let mut members = Vec::new();
        for leaf in 0..pool.leaves {
            match seat(leaf)? {
                Some(member) => members.push(member),
                None => break,
            }
        }
        Ok(members)
    }

    /// Removes the parts of a pool's set, which has these members.
    pub(super) fn remove_parts(
        &mut self,
        index: u32,
        pool: &Pool,
        members: &[u32],
    ) -> Result<(), DatapathError> {
        for (leaf, member) in (0..).zip(members) {
            found(self.slots.remove(&raw(pool, index, *member)), "SLOTS")?;
            found(self.seats.remove(&raw(pool, index, leaf)), "SEATS")?;
        }
        for tick in 0..pool.ticks {
            found(self.ticks.remove(&raw(pool, index, tick)), "TICKS")?;
        }
        let nodes = if pool.has_tournament() { pool.leaves } else { 0 };
        for node in 0..nodes {
            found(self.nodes.remove(&raw(pool, index, node)), "NODES")?;
        }
        Ok(())
    }

    /// Removes all parts of a pool's sets, marks included, but for those of one generation.
    pub(super) fn keep_parts(
        &mut self,
        pool: u32,
        generation: Option<u32>,
    ) -> Result<(), DatapathError> {
        let unwanted = |key: &PartKey| {
            key.pool == pool && (Some(key.generation) != generation || key.part == MARK)
        };
        remove_if(&mut self.slots, "SLOTS", unwanted)?;
        remove_if(&mut self.seats, "SEATS", unwanted)?;
        remove_if(&mut self.ticks, "TICKS", unwanted)?;
        remove_if(&mut self.nodes, "NODES", unwanted)
    }

    /// Marks a generation of a pool's sets as one that is being written.
    pub(super) fn mark(&mut self, pool: u32, generation: u32) -> Result<(), DatapathError> {
        self.seats.insert(mark(pool, generation), 0, 0).map_err(failed("SEATS"))
    }

    /// The set is complete, and those before it are gone.
    pub(super) fn unmark(&mut self, pool: u32, generation: u32) -> Result<(), DatapathError> {
        found(self.seats.remove(&mark(pool, generation)), "SEATS").map(drop)
    }

    /// Whether somebody died while writing this generation.
    pub(super) fn is_marked(&self, pool: u32, generation: u32) -> Result<bool, DatapathError> {
        Ok(found(self.seats.get(&mark(pool, generation), 0), "SEATS")?.is_some())
    }
}

fn raw(pool: &Pool, index: u32, part: u32) -> Part {
    transmute!(pool.part(index, part))
}

fn mark(pool: u32, generation: u32) -> Part {
    transmute!(PartKey { pool, generation, part: MARK })
}

fn remove_if<V: Pod>(
    map: &mut HashMap<MapData, Part, V>,
    name: &'static str,
    unwanted: impl Fn(&PartKey) -> bool,
) -> Result<(), DatapathError> {
    let keys = map.keys().collect::<Result<Vec<Part>, _>>().map_err(failed(name))?;
    let mut unwanted = keys.into_iter().filter(|key| unwanted(&transmute!(*key)));
    unwanted.try_for_each(|key| found(map.remove(&key), name).map(drop))
}
