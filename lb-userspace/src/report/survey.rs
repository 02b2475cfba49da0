//! What can only be found by a walk through maps: one walk does for all the pools that share them.

use std::collections::HashMap;
use std::sync::Arc;

use crate::datapath::{Audit, DatapathError, Maps, PortUses, audit};
use crate::once::once;
use crate::registry::Served;

/// What walks through maps have found.
pub(super) struct Walks<T>(HashMap<*const Maps, (Arc<Maps>, T)>);

impl<T> Walks<T> {
    /// Of none so far.
    pub(super) fn new() -> Self {
        Self(HashMap::new())
    }

    /// What a walk through these maps has found, or finds now.
    pub(super) fn of(
        &mut self,
        maps: &Arc<Maps>,
        walk: impl FnOnce(&Maps) -> Result<T, DatapathError>,
    ) -> Result<&T, DatapathError> {
        // They are kept, so that no others come to be where they are.
        let walked = |_: &_| Ok((Arc::clone(maps), walk(maps)?));
        once(&mut self.0, Arc::as_ptr(maps), walked).map(|(_, found)| &*found)
    }
}

/// What was found of a pool.
pub(super) struct Survey {
    /// Its counts against conntrack.
    pub(super) audit: Audit,
    /// NAT ports of all pools that share its maps.
    pub(super) ports: Arc<PortUses>,
}

/// Maps, and the pools that share them: index and members of each.
type Sharing<'a> = (&'a Arc<Maps>, Vec<(u32, Vec<u32>)>);

/// What was found of pools, by their maps and indexes.
pub(super) struct Surveys(HashMap<(*const Maps, u32), Survey>);

impl Surveys {
    /// Walks through the maps of these pools.
    pub(super) fn of(pools: &[(Served, Arc<Maps>)]) -> Result<Self, DatapathError> {
        let mut shared: HashMap<*const Maps, Sharing<'_>> = HashMap::new();
        for (Served { record, .. }, maps) in pools {
            let (_, all) = shared.entry(Arc::as_ptr(maps)).or_insert((maps, Vec::new()));
            all.push((record.index, record.members.iter().map(|member| member.index).collect()));
        }
        let mut surveys = HashMap::new();
        for (at, (maps, pools)) in shared {
            let ports = Arc::new(maps.port_uses()?);
            for ((pool, _), audit) in pools.iter().zip(audit(maps, &pools)?) {
                surveys.insert((at, *pool), Survey { audit, ports: Arc::clone(&ports) });
            }
        }
        Ok(Self(surveys))
    }

    /// What was found of a pool that was among them.
    pub(super) fn get(&self, served: &Served, maps: &Arc<Maps>) -> &Survey {
        &self.0[&(Arc::as_ptr(maps), served.record.index)]
    }
}

/// Entries by the index of their pool.
pub(super) fn by_pool<T>(all: Vec<T>, pool: impl Fn(&T) -> u32) -> HashMap<u32, Vec<T>> {
    let mut pools: HashMap<u32, Vec<T>> = HashMap::new();
    for entry in all {
        pools.entry(pool(&entry)).or_default().push(entry);
    }
    pools
}
