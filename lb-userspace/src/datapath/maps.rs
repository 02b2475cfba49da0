//! Typed access to the maps: pinned or just loaded, it makes no difference.

use std::{io::ErrorKind, path::Path};

use aya::maps::{Array, HashMap, LpmTrie, Map, MapData, MapError, PerCpuArray};
use lb_common::counter::COUNTERS;
use lb_common::state::{
    AllowedNet, Cursor, Drain, Flow, FlowKey, Identity, Load, MemberStats, Node, PartKey, Pool,
    PortBlock, PortKey, Slot, Sticky, StickyKey, Vip, VipKey, VipLoad, counter_index,
};
use zerocopy::transmute;

use super::{DatapathError, walk};

/// Every map of the object, by name; also the names of the pins.
pub(super) const NAMES: [&str; 25] = [
    "VIP_LOADS",
    "ALLOWED",
    "MEMBERS",
    "STICKY",
    "VIPS",
    "POOLS",
    "SLOTS",
    "TICKS",
    "SEATS",
    "NODES",
    "CURSORS",
    "BUDGETS",
    "LOADS",
    "DRAINS",
    "FLOWS",
    "PORTS",
    "HALF_OPENS",
    "FRAGMENTED",
    "LAST_IDS",
    "COUNTERS",
    "MEMBER_STATS",
    "EVENTS",
    "LISTENING",
    "PROGRAMS",
    "ZONES_DUE",
];

pub(super) type Part = [u8; size_of::<PartKey>()];

/// The maps of a datapath.
pub struct Maps {
    vips: HashMap<MapData, [u8; size_of::<VipKey>()], [u8; size_of::<Vip>()]>,
    pools: HashMap<MapData, u32, [u8; size_of::<Pool>()]>,
    pub(super) slots: HashMap<MapData, Part, [u8; size_of::<Slot>()]>,
    pub(super) ticks: HashMap<MapData, Part, u32>,
    pub(super) seats: HashMap<MapData, Part, u32>,
    pub(super) nodes: HashMap<MapData, Part, [u8; size_of::<Node>()]>,
    cursors: Array<MapData, [u8; size_of::<Cursor>()]>,
    loads: Array<MapData, [u8; size_of::<Load>()]>,
    pub(super) drains: Array<MapData, [u8; size_of::<Drain>()]>,
    pub(super) vip_loads: Array<MapData, [u8; size_of::<VipLoad>()]>,
    pub(super) allowed: LpmTrie<MapData, [u8; size_of::<AllowedNet>()], u32>,
    pub(super) members: HashMap<MapData, u32, [u8; size_of::<Identity>()]>,
    pub(super) sticky: HashMap<MapData, [u8; size_of::<StickyKey>()], [u8; size_of::<Sticky>()]>,
    flows: HashMap<MapData, [u8; size_of::<FlowKey>()], [u8; size_of::<Flow>()]>,
    flow_capacity: u32,
    member_capacity: u32,
    zones: u32,
    pub(super) last_ids: Array<MapData, u32>,
    pub(super) ports: HashMap<MapData, [u8; size_of::<PortKey>()], [u8; size_of::<PortBlock>()]>,
    counters: PerCpuArray<MapData, u64>,
    pub(super) zones_due: Array<MapData, u64>,
    stats: PerCpuArray<MapData, [u8; size_of::<MemberStats>()]>,
}

/// Connections of a pool since it is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Those that were given to a member.
    pub opened: u64,
    /// Those that were refused.
    pub refused: u64,
    /// SYNs and datagrams of clients that are not served.
    pub denied: u64,
    /// How often one was given to another member because its own did not accept it.
    pub redispatched: u64,
}

/// A connection as conntrack has it: the client's entry and, unless it was just removed, the
/// member's.
#[derive(Debug)]
pub struct Connection {
    /// Key of the client's entry.
    pub key: FlowKey,
    /// The client's entry.
    pub client: Flow,
    /// The member's entry.
    pub member: Option<Flow>,
}

impl Maps {
    /// The maps pinned below `pins`.
    ///
    /// # Errors
    /// When one is missing or of another kind.
    pub fn open(pins: &Path) -> Result<Self, DatapathError> {
        Self::from_each(|name| {
            MapData::from_pin(pins.join(name)).and_then(Map::from_map_data).map_err(failed(name))
        })
    }

    pub(super) fn from_each(
        mut get: impl FnMut(&'static str) -> Result<Map, DatapathError>,
    ) -> Result<Self, DatapathError> {
        let (flows, loads, counters) = (get("FLOWS")?, get("LOADS")?, get("COUNTERS")?);
        let flow_capacity = entries(&flows, "FLOWS")?;
        let member_capacity = entries(&loads, "LOADS")?;
        let zones = entries(&counters, "COUNTERS")? / COUNTERS;
        Ok(Self {
            vips: get("VIPS")?.try_into().map_err(failed("VIPS"))?,
            pools: get("POOLS")?.try_into().map_err(failed("POOLS"))?,
            slots: get("SLOTS")?.try_into().map_err(failed("SLOTS"))?,
            ticks: get("TICKS")?.try_into().map_err(failed("TICKS"))?,
            seats: get("SEATS")?.try_into().map_err(failed("SEATS"))?,
            nodes: get("NODES")?.try_into().map_err(failed("NODES"))?,
            cursors: get("CURSORS")?.try_into().map_err(failed("CURSORS"))?,
            loads: loads.try_into().map_err(failed("LOADS"))?,
            drains: get("DRAINS")?.try_into().map_err(failed("DRAINS"))?,
            vip_loads: get("VIP_LOADS")?.try_into().map_err(failed("VIP_LOADS"))?,
            allowed: get("ALLOWED")?.try_into().map_err(failed("ALLOWED"))?,
            members: get("MEMBERS")?.try_into().map_err(failed("MEMBERS"))?,
            sticky: get("STICKY")?.try_into().map_err(failed("STICKY"))?,
            flows: flows.try_into().map_err(failed("FLOWS"))?,
            flow_capacity,
            member_capacity,
            zones,
            last_ids: get("LAST_IDS")?.try_into().map_err(failed("LAST_IDS"))?,
            ports: get("PORTS")?.try_into().map_err(failed("PORTS"))?,
            counters: counters.try_into().map_err(failed("COUNTERS"))?,
            zones_due: get("ZONES_DUE")?.try_into().map_err(failed("ZONES_DUE"))?,
            stats: get("MEMBER_STATS")?.try_into().map_err(failed("MEMBER_STATS"))?,
        })
    }

    /// Adds or replaces a listener.
    pub(super) fn set_vip(&mut self, key: &VipKey, vip: &Vip) -> Result<(), DatapathError> {
        let (key, vip): ([u8; _], [u8; _]) = (transmute!(*key), transmute!(*vip));
        self.vips.insert(key, vip, 0).map_err(failed("VIPS"))
    }

    /// The listeners of a pool.
    pub(super) fn vips_of(&self, pool: u32) -> Result<Vec<(VipKey, Vip)>, DatapathError> {
        let entries = self.vips.iter().map(|entry| {
            let (key, vip) = entry.map_err(failed("VIPS"))?;
            Ok((transmute!(key), transmute!(vip)))
        });
        let all: Result<Vec<(VipKey, Vip)>, DatapathError> = entries.collect();
        Ok(all?.into_iter().filter(|(_, vip)| vip.pool == pool).collect())
    }

    /// Removes a listener.
    pub(super) fn remove_vip(&mut self, key: &VipKey) -> Result<(), DatapathError> {
        let key: [u8; _] = transmute!(*key);
        found(self.vips.remove(&key), "VIPS").map(drop)
    }

    /// A pool as the datapath sees it.
    pub(super) fn pool(&self, index: u32) -> Result<Option<Pool>, DatapathError> {
        Ok(found(self.pools.get(&index, 0), "POOLS")?.map(|raw| transmute!(raw)))
    }

    /// The generation of the pool's next installation.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn next_generation(&self, index: u32) -> Result<u32, DatapathError> {
        Ok(self.pool(index)?.map_or(1, |pool| pool.generation.wrapping_add(1)))
    }

    /// Adds or replaces a pool, at once for the datapath.
    pub(super) fn set_pool(&mut self, index: u32, pool: &Pool) -> Result<(), DatapathError> {
        let pool: [u8; _] = transmute!(*pool);
        self.pools.insert(index, pool, 0).map_err(failed("POOLS"))
    }

    /// Removes a pool.
    pub(super) fn remove_pool(&mut self, index: u32) -> Result<(), DatapathError> {
        found(self.pools.remove(&index), "POOLS").map(drop)
    }

    /// Lets a pool begin that is new at its index: nobody else has opened connections there.
    ///
    /// # Errors
    /// When the map cannot be written.
    pub fn begin(&mut self, index: u32) -> Result<(), DatapathError> {
        let Cursor { stamp, .. } = self.cursor(index)?;
        let cursor: [u8; _] = transmute!(Cursor { stamp, ..Cursor::default() });
        self.cursors.set(index, cursor, 0).map_err(failed("CURSORS"))
    }

    /// What a pool has done so far.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn totals(&self, index: u32) -> Result<Totals, DatapathError> {
        let Cursor { opened, refused, denied, redispatched, .. } = self.cursor(index)?;
        Ok(Totals {
            opened: opened.get(),
            refused: refused.get(),
            denied: denied.get(),
            redispatched: redispatched.get(),
        })
    }

    /// A pool's place in its schedule.
    pub(super) fn cursor(&self, pool: u32) -> Result<Cursor, DatapathError> {
        self.cursors.get(&pool, 0).map(|raw| transmute!(raw)).map_err(failed("CURSORS"))
    }

    /// How busy a member is.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn load(&self, member: u32) -> Result<Load, DatapathError> {
        self.loads.get(&member, 0).map(|raw| transmute!(raw)).map_err(failed("LOADS"))
    }

    /// Gives a member without connections a fresh place in the queue.
    pub(super) fn set_load(&mut self, member: u32, load: Load) -> Result<(), DatapathError> {
        let load: [u8; _] = transmute!(load);
        self.loads.set(member, load, 0).map_err(failed("LOADS"))
    }

    /// What a member has done, summed over the CPUs.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn stats(&self, member: u32) -> Result<MemberStats, DatapathError> {
        let values = self.stats.get(&member, 0).map_err(failed("MEMBER_STATS"))?;
        let each = values.iter().map(|raw| -> MemberStats { transmute!(*raw) });
        Ok(each.fold(MemberStats::default(), MemberStats::plus))
    }

    /// Forgets what a member's predecessor at this index has done.
    pub(super) fn clear_stats(&mut self, member: u32) -> Result<(), DatapathError> {
        let mut clear = || {
            let values = self.stats.get(&member, 0)?;
            let zero = vec![[0; size_of::<MemberStats>()]; values.len()];
            self.stats.set(member, zero.try_into()?, 0)
        };
        clear().map_err(failed("MEMBER_STATS"))
    }

    /// A counter of a zone, summed over the CPUs.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn counter(&self, zone: u16, number: u32) -> Result<u64, DatapathError> {
        let index = counter_index(zone, number);
        let values = self.counters.get(&index, 0).map_err(failed("COUNTERS"))?;
        Ok(values.iter().fold(0, |sum, value| sum.wrapping_add(*value)))
    }

    /// Every conntrack entry of either direction, as exactly as a walk can tell while packets come in.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn flows(&self) -> Result<std::collections::HashMap<FlowKey, Flow>, DatapathError> {
        self.walk_flows(|flow| flow)
    }

    /// What is wanted of every conntrack entry.
    pub(super) fn walk_flows<T>(
        &self,
        wanted: impl Fn(Flow) -> T,
    ) -> Result<std::collections::HashMap<FlowKey, T>, DatapathError> {
        let entries = self.flows.iter().map(|entry| {
            let (key, flow) = entry?;
            Ok((transmute!(key), wanted(transmute!(flow))))
        });
        walk::whole(entries).map_err(failed("FLOWS"))
    }

    /// How many conntrack entries there are, as exactly.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn flow_count(&self) -> Result<u64, DatapathError> {
        let keys = self.flows.keys().map(|key| key.map(|key| (key, ())));
        Ok(walk::whole(keys).map_err(failed("FLOWS"))?.len() as u64)
    }

    /// Most conntrack entries; a connection takes two, one that is direct takes one.
    pub const fn flow_capacity(&self) -> u32 {
        self.flow_capacity
    }

    /// Members that can have an index.
    pub const fn member_capacity(&self) -> u32 {
        self.member_capacity
    }

    /// Devices that can share these maps.
    pub const fn zones(&self) -> u32 {
        self.zones
    }

    /// Lets the counters of a zone begin anew: nobody reads those of a device that was there before.
    ///
    /// # Errors
    /// When the map cannot be written.
    pub fn clear_counters(&mut self, zone: u16) -> Result<(), DatapathError> {
        let mut clear = |number| {
            let index = counter_index(zone, number);
            let zero = vec![0; self.counters.get(&index, 0)?.len()];
            self.counters.set(index, zero.try_into()?, 0)
        };
        (0..COUNTERS).try_for_each(&mut clear).map_err(failed("COUNTERS"))
    }

    /// Every connection.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn connections(&self) -> Result<Vec<Connection>, DatapathError> {
        let mut flows = self.flows()?;
        let clients: Vec<FlowKey> =
            flows.iter().filter(|(_, flow)| !flow.is_from_member()).map(|(key, _)| *key).collect();
        let join = |key: FlowKey| {
            let client = flows.remove(&key)?;
            let member = match client.is_direct() {
                true => None,
                false => flows.remove(&client.peer_key(&key)),
            };
            Some(Connection { key, client, member })
        };
        Ok(clients.into_iter().filter_map(join).collect())
    }
}

/// Most entries of a map.
fn entries(map: &Map, name: &'static str) -> Result<u32, DatapathError> {
    let (Map::HashMap(data) | Map::Array(data) | Map::PerCpuArray(data)) = map else {
        return Err(DatapathError::NoMap(name));
    };
    Ok(data.info().map_err(failed(name))?.max_entries())
}

pub(super) fn failed(map: &'static str) -> impl Fn(MapError) -> DatapathError {
    move |source| DatapathError::Map { map, source: Box::new(source) }
}

pub(super) fn found<T>(
    result: Result<T, MapError>,
    map: &'static str,
) -> Result<Option<T>, DatapathError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(MapError::KeyNotFound) => Ok(None),
        // So it is said of a key that was to be removed.
        Err(MapError::SyscallError(error)) if error.io_error.kind() == ErrorKind::NotFound => {
            Ok(None)
        }
        Err(error) => Err(failed(map)(error)),
    }
}
