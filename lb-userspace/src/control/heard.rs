//! The pools with the same maps that somebody listens to, and which of them an event is of.

use std::collections::HashMap;

use lb_common::state::Event;

use super::ControlError;
use crate::registry::{Record, Registry, Served};

/// Pools with the same maps, whose events come by one ring.
pub(super) struct Heard {
    pub(super) pools: Vec<Served>,
    /// Where among them those of an index are.
    places: HashMap<u32, usize>,
    /// Any of their records: of where they are.
    pub(super) place: Record,
}

impl Heard {
    /// One pool.
    pub(super) fn one(served: Served) -> Self {
        let place = served.record.clone();
        Self { places: HashMap::from([(place.index, 0)]), place, pools: vec![served] }
    }

    /// The pools by the maps that they are served with.
    pub(super) fn by_maps(pools: Vec<Served>) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for served in pools {
            match all.iter_mut().find(|heard| heard.place.has_maps_of(&served.record)) {
                Some(heard) => {
                    heard.places.insert(served.record.index, heard.pools.len());
                    heard.pools.push(served);
                }
                None => all.push(Self::one(served)),
            }
        }
        all
    }

    /// The ids of the pools, for errors.
    pub(super) fn names(&self) -> String {
        let names: Vec<&str> = self.pools.iter().map(|served| served.pool.id.as_str()).collect();
        names.join(", ")
    }

    /// The pool that an event is of, and of no other one that had its index before.
    pub(super) fn of(&self, event: &Event) -> Option<&Served> {
        let place = self.places.get(&event.pool)?;
        self.pools.get(*place).filter(|served| event.at >= served.record.since)
    }

    /// The indexes of the pools.
    pub(super) fn indexes(&self) -> impl Iterator<Item = u32> {
        self.pools.iter().map(|served| served.record.index)
    }

    /// Looks at the records anew, which name members that have just come; false if no pool is left.
    pub(super) fn refresh(&mut self, registry: &Registry) -> Result<bool, ControlError> {
        let mut left = Vec::new();
        for served in std::mem::take(&mut self.pools) {
            match registry.get(served.pool.id.as_str())? {
                Some(now) if now.record.has_maps_of(&self.place) => left.push(now),
                Some(_) | None => ended(&served),
            }
        }
        let places = left.iter().map(|served| served.record.index).zip(0..);
        self.places = places.collect();
        self.pools = left;
        Ok(!self.pools.is_empty())
    }

    /// All of them have ended.
    pub(super) fn end(&mut self) {
        self.places.clear();
        self.pools.drain(..).for_each(|served| ended(&served));
    }
}

fn ended(served: &Served) {
    tracing::info!(pool = %served.pool.id, "is not served any more");
}
