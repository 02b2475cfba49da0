//! The maps of a loaded program by its handles, for what only a test may do to them.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::Path;

use aya::Pod;
use aya::maps::{Array, HashMap, LpmTrie, Map, MapData, MapError, PerCpuArray};
use lb_common::state::{
    AllowedNet, Budget, Cursor, Drain, Flow, FlowKey, FragmentKey, Fragmented, HalfOpen, ID_PLACES,
    Identity, Load, MemberStats, Node, PartKey, Pool, PortBlock, PortKey, Slot, Sticky, StickyKey,
    Vip, VipKey, VipLoad,
};
use zerocopy::transmute;

use super::snapshot::MEMBERS;
use super::{Error, POOL};

/// Pools that a test may use.
const POOLS: u32 = 4;

/// `BPF_EXIST` of linux/bpf.h: change what is there, add nothing.
const EXIST: u64 = 2;

type Bytes<T, const N: usize> = HashMap<MapData, T, [u8; N]>;

type Part = [u8; size_of::<PartKey>()];

pub(super) struct Raw {
    flows: Bytes<[u8; size_of::<FlowKey>()], { size_of::<Flow>() }>,
    vips: Bytes<[u8; size_of::<VipKey>()], { size_of::<Vip>() }>,
    pools: Bytes<u32, { size_of::<Pool>() }>,
    slots: Bytes<Part, { size_of::<Slot>() }>,
    seats: HashMap<MapData, Part, u32>,
    ticks: HashMap<MapData, Part, u32>,
    nodes: Bytes<Part, { size_of::<Node>() }>,
    ports: Bytes<[u8; size_of::<PortKey>()], { size_of::<PortBlock>() }>,
    vip_loads: Array<MapData, [u8; size_of::<VipLoad>()]>,
    allowed: LpmTrie<MapData, [u8; size_of::<AllowedNet>()], u32>,
    members: Bytes<u32, { size_of::<Identity>() }>,
    sticky: Bytes<[u8; size_of::<StickyKey>()], { size_of::<Sticky>() }>,
    fragmented: Bytes<[u8; size_of::<FragmentKey>()], { size_of::<Fragmented>() }>,
    last_ids: Array<MapData, u32>,
    half_opens: Array<MapData, [u8; size_of::<HalfOpen>()]>,
    cursors: Array<MapData, [u8; size_of::<Cursor>()]>,
    budgets: Array<MapData, [u8; size_of::<Budget>()]>,
    loads: Array<MapData, [u8; size_of::<Load>()]>,
    drains: Array<MapData, [u8; size_of::<Drain>()]>,
    counters: PerCpuArray<MapData, u64>,
    stats: PerCpuArray<MapData, [u8; size_of::<MemberStats>()]>,
}

impl Raw {
    pub(super) fn of(pins: &Path) -> Result<Self, Error> {
        Ok(Self {
            flows: map_of(pins, "FLOWS")?.try_into()?,
            vips: map_of(pins, "VIPS")?.try_into()?,
            pools: map_of(pins, "POOLS")?.try_into()?,
            slots: map_of(pins, "SLOTS")?.try_into()?,
            seats: map_of(pins, "SEATS")?.try_into()?,
            ticks: map_of(pins, "TICKS")?.try_into()?,
            nodes: map_of(pins, "NODES")?.try_into()?,
            ports: map_of(pins, "PORTS")?.try_into()?,
            vip_loads: map_of(pins, "VIP_LOADS")?.try_into()?,
            allowed: map_of(pins, "ALLOWED")?.try_into()?,
            members: map_of(pins, "MEMBERS")?.try_into()?,
            sticky: map_of(pins, "STICKY")?.try_into()?,
            fragmented: map_of(pins, "FRAGMENTED")?.try_into()?,
            last_ids: map_of(pins, "LAST_IDS")?.try_into()?,
            half_opens: map_of(pins, "HALF_OPENS")?.try_into()?,
            cursors: map_of(pins, "CURSORS")?.try_into()?,
            budgets: map_of(pins, "BUDGETS")?.try_into()?,
            loads: map_of(pins, "LOADS")?.try_into()?,
            drains: map_of(pins, "DRAINS")?.try_into()?,
            counters: map_of(pins, "COUNTERS")?.try_into()?,
            stats: map_of(pins, "MEMBER_STATS")?.try_into()?,
        })
    }

    /// Keys of conntrack in the order of an iteration.
    pub(super) fn walk(&self) -> Result<Vec<FlowKey>, Error> {
        self.flows.keys().map(|key| Ok(transmute!(key?))).collect()
    }

    pub(super) fn change_flow(&mut self, key: FlowKey, flow: Flow) -> Result<(), Error> {
        let (key, flow): ([u8; _], [u8; _]) = (transmute!(key), transmute!(flow));
        Ok(self.flows.insert(key, flow, EXIST)?)
    }

    pub(super) fn change_sticky(&mut self, key: StickyKey, sticky: Sticky) -> Result<(), Error> {
        let (key, sticky): ([u8; _], [u8; _]) = (transmute!(key), transmute!(sticky));
        Ok(self.sticky.insert(key, sticky, EXIST)?)
    }

    /// Datagrams that come in fragments.
    pub(super) fn fragmented(&self) -> Result<Vec<(FragmentKey, Fragmented)>, Error> {
        let entries = self.fragmented.iter();
        let typed = entries.map(|entry| entry.map(|(key, it)| (transmute!(key), transmute!(it))));
        Ok(typed.collect::<Result<_, _>>()?)
    }

    pub(super) fn change_fragmented(
        &mut self,
        key: FragmentKey,
        fragmented: Fragmented,
    ) -> Result<(), Error> {
        let (key, fragmented): ([u8; _], [u8; _]) = (transmute!(key), transmute!(fragmented));
        Ok(self.fragmented.insert(key, fragmented, EXIST)?)
    }

    /// Removes a pool; nothing happens if it is gone already, as in a shortened story.
    pub(super) fn forget_pool(&mut self, index: u32) -> Result<(), Error> {
        match self.pools.get(&index, 0) {
            Ok(_) => {
                self.clear_sets()?;
                Ok(self.pools.remove(&index)?)
            }
            Err(MapError::KeyNotFound) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Ejects a member until then. The next connection plays the tournament anew, which does not know.
    pub(super) fn eject(&mut self, member: u32, until: u64) -> Result<(), Error> {
        let load: Load = transmute!(self.loads.get(&member, 0)?);
        load.out_until.set(until);
        let load: [u8; _] = transmute!(load);
        self.loads.set(member, load, 0)?;
        let pool: Pool = match self.pools.get(&POOL, 0) {
            Ok(pool) => transmute!(pool),
            Err(MapError::KeyNotFound) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let filled: Part = transmute!(pool.part(POOL, 0));
        match self.nodes.get(&filled, 0) {
            Ok(_) => Ok(self.nodes.insert(filled, [0; _], EXIST)?),
            Err(MapError::KeyNotFound) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// What is left to tell the pool's connections of errors.
    pub(super) fn budget(&self) -> Result<Budget, Error> {
        Ok(transmute!(self.budgets.get(&POOL, 0)?))
    }

    /// Spends that until then.
    pub(super) fn spend(&mut self, until: u64) -> Result<(), Error> {
        let budget: [u8; _] = transmute!(Budget(until.into()));
        Ok(self.budgets.set(POOL, budget, 0)?)
    }

    /// Every entry of every map, as far as a test uses it.
    pub(super) fn dump(&self) -> Result<BTreeSet<String>, Error> {
        let mut lines = BTreeSet::new();
        entries(&mut lines, "FLOWS", &self.flows)?;
        entries(&mut lines, "VIPS", &self.vips)?;
        entries(&mut lines, "POOLS", &self.pools)?;
        entries(&mut lines, "SLOTS", &self.slots)?;
        entries(&mut lines, "SEATS", &self.seats)?;
        entries(&mut lines, "TICKS", &self.ticks)?;
        entries(&mut lines, "NODES", &self.nodes)?;
        entries(&mut lines, "MEMBERS", &self.members)?;
        entries(&mut lines, "STICKY", &self.sticky)?;
        entries(&mut lines, "FRAGMENTED", &self.fragmented)?;
        for place in 0..ID_PLACES {
            lines.insert(format!("LAST_IDS {place} {}", self.last_ids.get(&place, 0)?));
        }
        for network in self.allowed.keys() {
            lines.insert(format!("ALLOWED {:?}", network?.data()));
        }
        for place in 0..self.half_opens.len() {
            lines.insert(format!("HALF_OPENS {place} {:?}", self.half_opens.get(&place, 0)?));
        }
        for pool in 0..POOLS {
            lines.insert(format!("VIP_LOADS {pool} {:?}", self.vip_loads.get(&pool, 0)?));
            lines.insert(format!("BUDGETS {pool} {:?}", self.budgets.get(&pool, 0)?));
            lines.insert(format!("CURSORS {pool} {:?}", self.cursors.get(&pool, 0)?));
        }
        for member in 0..MEMBERS {
            lines.insert(format!("LOADS {member} {:?}", self.loads.get(&member, 0)?));
            lines.insert(format!("DRAINS {member} {:?}", self.drains.get(&member, 0)?));
            lines.insert(format!("MEMBER_STATS {member} {:?}", &*self.stats.get(&member, 0)?));
        }
        for counter in 0..self.counters.len() {
            lines.insert(format!("COUNTERS {counter} {:?}", &*self.counters.get(&counter, 0)?));
        }
        Ok(lines)
    }

    /// Says when a member's connections end.
    pub(super) fn drain(&mut self, member: u32, drain: Drain) -> Result<(), Error> {
        let drain: [u8; _] = transmute!(drain);
        Ok(self.drains.set(member, drain, 0)?)
    }

    /// Makes a member's count wrong by this.
    pub(super) fn falsify(&mut self, member: u32, by: u32) -> Result<(), Error> {
        falsify_in(&mut self.loads, member, by)
    }

    /// Makes the listener's count wrong by this.
    pub(super) fn falsify_listener(&mut self, by: u32) -> Result<(), Error> {
        let load: VipLoad = transmute!(self.vip_loads.get(&POOL, 0)?);
        load.active.set(load.active.get().wrapping_add(by));
        let load: [u8; _] = transmute!(load);
        Ok(self.vip_loads.set(POOL, load, 0)?)
    }

    /// Empties the sets of members.
    fn clear_sets(&mut self) -> Result<(), Error> {
        empty(&mut self.slots)?;
        empty(&mut self.seats)?;
        empty(&mut self.ticks)?;
        empty(&mut self.nodes)
    }

    /// Makes everything as if just loaded.
    pub(super) fn clear(&mut self) -> Result<(), Error> {
        empty(&mut self.flows)?;
        empty(&mut self.vips)?;
        empty(&mut self.pools)?;
        self.clear_sets()?;
        empty(&mut self.ports)?;
        empty(&mut self.members)?;
        empty(&mut self.sticky)?;
        empty(&mut self.fragmented)?;
        for place in 0..ID_PLACES {
            self.last_ids.set(place, 0, 0)?;
        }
        let networks = self.allowed.keys().collect::<Result<Vec<_>, _>>()?;
        networks.iter().try_for_each(|network| self.allowed.remove(network))?;
        for place in 0..self.half_opens.len() {
            self.half_opens.set(place, [0; _], 0)?;
        }
        for pool in 0..POOLS {
            self.vip_loads.set(pool, [0; _], 0)?;
            self.cursors.set(pool, [0; _], 0)?;
            self.budgets.set(pool, [0; _], 0)?;
        }
        for member in 0..MEMBERS {
            self.loads.set(member, [0; _], 0)?;
            self.drains.set(member, [0; _], 0)?;
            zero(&mut self.stats, member, [0; _])?;
        }
        for counter in 0..self.counters.len() {
            zero(&mut self.counters, counter, 0)?;
        }
        Ok(())
    }
}

fn entries<K: Pod + Debug, V: Pod + Debug>(
    lines: &mut BTreeSet<String>,
    name: &str,
    map: &HashMap<MapData, K, V>,
) -> Result<(), Error> {
    for entry in map.iter() {
        let (key, value) = entry?;
        lines.insert(format!("{name} {key:?} {value:?}"));
    }
    Ok(())
}

/// Makes the count of a member wrong by this, in maps that anybody has pinned below `pins`.
///
/// # Errors
/// When the map is not there or cannot be written.
pub fn falsify(pins: &Path, member: u32, by: u32) -> Result<(), Error> {
    falsify_in(&mut map_of(pins, "LOADS")?.try_into()?, member, by)
}

fn falsify_in(
    loads: &mut Array<MapData, [u8; size_of::<Load>()]>,
    member: u32,
    by: u32,
) -> Result<(), Error> {
    let load: Load = transmute!(loads.get(&member, 0)?);
    load.active.set(load.active.get().wrapping_add(by));
    let load: [u8; _] = transmute!(load);
    Ok(loads.set(member, load, 0)?)
}

fn empty<K: Pod, V: Pod>(map: &mut HashMap<MapData, K, V>) -> Result<(), Error> {
    let keys = map.keys().collect::<Result<Vec<K>, _>>()?;
    keys.iter().try_for_each(|key| Ok(map.remove(key)?))
}

fn zero<T: Pod>(map: &mut PerCpuArray<MapData, T>, index: u32, zero: T) -> Result<(), Error> {
    let cpus = map.get(&index, 0)?.len();
    let values = vec![zero; cpus].try_into().map_err(MapError::from)?;
    Ok(map.set(index, values, 0)?)
}

/// Another handle of a map by its pin.
fn map_of(pins: &Path, name: &'static str) -> Result<Map, Error> {
    Ok(Map::from_map_data(MapData::from_pin(pins.join(name))?)?)
}
