//! From a pool's declaration to the maps.
//!
//! The order of the writes is what makes a change atomic for packets: the new set of members is
//! complete before the pool that names it appears, and the old one goes when no new
//! packet can ask for it. The same holds for the allowed networks and the listener.

use lb_common::{
    addr::Addr,
    be::Be16,
    state::{
        Admission, Cursor, Identity, Load, MAX_SNAT, Method, Overflow, Persistence, Pool, Slot,
        Timers, Vip, VipKey,
    },
};

use super::{DatapathError, Ending, Maps, order::order};

/// Where a pool's clients connect.
#[derive(Clone, Copy, Debug)]
pub struct Listener {
    /// The VIP.
    pub address: Addr,
    /// The port.
    pub port: u16,
    /// IP protocol number: that of TCP or of UDP.
    pub protocol: u8,
    /// False to refuse new connections.
    pub enabled: bool,
    /// Most active connections; none for no limit.
    pub limit: Option<u32>,
    /// What becomes of a connection above the limit.
    pub overflow: Overflow,
    /// How clients are kept on their members.
    pub persistence: Persistence,
}

/// A network of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its address; the bits behind the prefix are zero.
    pub address: Addr,
    /// Length of the prefix in bits.
    pub bits: u32,
}

/// What is done about members that do not accept connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failover {
    /// How many other members a connection is given to at most.
    pub retries: u32,
    /// A member that fails so many connections in a row is ejected; zero for never.
    pub eject_after: u32,
    /// How long, in nanoseconds.
    pub eject_for: u64,
}

/// What the datapath is to do for a pool.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where clients connect.
    pub listener: Listener,
    /// The only clients that are served; none for everybody.
    pub allowed: Option<Vec<Network>>,
    /// How a member is chosen.
    pub method: Method,
    /// How long connections stay.
    pub timers: Timers,
    /// Whether keepalives count as life.
    pub keepalive_counts: bool,
    /// What is done about members that do not accept.
    pub failover: Failover,
    /// Lowest and highest NAT port.
    pub ports: (u16, u16),
    /// Addresses besides the VIP that members may see as the source; at most [`MAX_SNAT`].
    pub snat: Vec<Addr>,
    /// The members, in order; at most [`lb_common::state::MAX_MEMBERS`].
    pub slots: Vec<Slot>,
    /// The members that clients may stick to, by index, whatever their weight.
    pub identities: Vec<(u32, Identity)>,
    /// What becomes of the connections of members, of `slots` or not, by index.
    pub endings: Vec<(u32, Ending)>,
    /// Members, of `slots` or not, that take the index of one that is gone.
    pub newcomers: Vec<u32>,
}

/// The zone of a datapath with one attachment.
const ZONE: u16 = 0;

/// Makes the datapath do for pool `index` what `target` says, at once and without touching
/// any connection.
///
/// # Errors
/// When a map cannot be written. The pool is then as before or as wanted, never between.
pub fn install(maps: &mut Maps, index: u32, target: &Target) -> Result<(), DatapathError> {
    let before = maps.pool(index)?;
    let generation = maps.next_generation(index)?;
    let Cursor { stamp, .. } = maps.cursor(index)?;
    for member in &target.newcomers {
        // A newcomer queues behind those that are as idle as itself.
        maps.clear_stats(*member)?;
        maps.clear_drain(*member)?;
        maps.set_load(*member, Load { stamp: stamp.get().into(), ..Load::default() })?;
    }

    let Listener { address, port, protocol, enabled, limit, overflow, persistence } =
        target.listener;
    maps.identify(index, target)?;
    maps.allow(index, generation, target.allowed.as_deref().unwrap_or_default())?;
    let (pool, order) = target.set(generation);
    // What a controller that died in the midst of this has left would be of the new set.
    maps.keep_parts(index, before.map(|pool| pool.generation))?;
    write_parts(maps, index, &pool, &target.slots, &order)?;
    maps.release(&target.endings)?;
    maps.set_pool(index, &pool)?;
    maps.retire(&target.endings)?;
    let key = VipKey::new(address, Be16::new(port), ZONE, protocol);
    let admission = Admission {
        limit: limit.unwrap_or(Admission::UNLIMITED),
        overflow: overflow as u32,
        restricted: u32::from(target.allowed.is_some()),
        generation,
    };
    let vip = Vip { pool: index, enabled: u32::from(enabled), admission, persistence };
    maps.set_vip(&key, &vip)?;
    // Where the pool was before, new connections are not wanted any more.
    maps.remove_vips_but(&key, index)?;
    maps.disallow(index, |old| old != generation)?;

    maps.keep_parts(index, Some(generation))
}

impl Target {
    /// The pool of this target in the given generation, and the member of each tick of its order.
    #[must_use]
    pub fn set(&self, generation: u32) -> (Pool, Vec<u32>) {
        let order = order(self.method, &self.slots);
        let indexes = self.slots.iter().map(|slot| slot.member + 1);
        let (port_low, port_high) = self.ports;
        let mut snat = [Addr::default(); MAX_SNAT];
        for (place, address) in snat.iter_mut().zip(&self.snat) {
            *place = *address;
        }
        let pool = Pool {
            timers: self.timers,
            generation,
            method: self.method as u32,
            ticks: order.len() as u32,
            leaves: indexes.max().unwrap_or(0).max(2).next_power_of_two(),
            port_low,
            port_high,
            members: self.slots.iter().filter(|slot| slot.weight > 0).count() as u32,
            tournament: u32::from(self.method == Method::LeastConn || self.has_limits()),
            keepalive_counts: self.keepalive_counts.into(),
            retries: self.failover.retries,
            eject_after: self.failover.eject_after,
            eject_for: self.failover.eject_for,
            snat,
            snat_count: self.snat.len().min(MAX_SNAT) as u32,
            reserved: 0,
        };
        (pool, order)
    }

    /// Whether members can be full. The tournament then knows when all of them are, whatever the method.
    fn has_limits(&self) -> bool {
        self.slots.iter().any(|slot| slot.weight > 0 && slot.limit > 0)
    }
}

/// Writes everything that `pool` will refer to.
fn write_parts(
    maps: &mut Maps,
    index: u32,
    pool: &Pool,
    slots: &[Slot],
    order: &[u32],
) -> Result<(), DatapathError> {
    for slot in slots {
        maps.set_slot(&pool.part(index, slot.member), slot)?;
    }
    for (tick, member) in (0..).zip(order) {
        maps.set_tick(&pool.part(index, tick), *member)?;
    }
    if pool.has_tournament() {
        for node in 0..pool.leaves {
            maps.set_node(&pool.part(index, node))?;
        }
    }
    Ok(())
}
