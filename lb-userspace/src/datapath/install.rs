//! From a pool's declaration to the maps.
//!
//! The order of the writes is what makes a change atomic for packets: the new set of members is
//! complete before the pool that names it appears, and the old one goes when no new
//! packet can ask for it. The same holds for the allowed networks and the listener.

use lb_common::{
    addr::Addr,
    be::Be16,
    schedule::seat,
    state::{
        Admission, Cursor, Identity, Load, MAX_SNAT, Method, Mode, Overflow, Persistence, Pool,
        Slot, Timers, Vip, VipKey,
    },
};

use super::parts::Set;
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
    /// Zone of the VIP's device ([`lb_common::state::FlowKey::zone`]).
    pub zone: u16,
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
    /// How packets get to members.
    pub mode: Mode,
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

    let Listener { address, port, protocol, zone, enabled, limit, overflow, persistence } =
        target.listener;
    // What a controller that died in the midst of this has left would be of the new set.
    let in_use = before.map(|pool| pool.generation);
    let is_torn = maps.is_marked(index, generation)?
        || in_use.map_or(Ok(false), |in_use| maps.is_marked(index, in_use))?;
    if is_torn {
        maps.keep_parts(index, in_use)?;
        maps.forget_identities(index, &target.identities)?;
        maps.disallow(index, |old| Some(old) != in_use)?;
    }
    let seated = before.map_or(Ok(Vec::new()), |pool| maps.seated(index, &pool))?;
    let listeners = maps.vips_of(index)?;
    let had_networks = is_torn || listeners.iter().any(|(_, vip)| vip.admission.restricted != 0);
    maps.mark(index, generation)?;

    maps.identify(&seated, &target.identities)?;
    maps.allow(index, generation, target.allowed.as_deref().unwrap_or_default())?;
    let set = target.set(generation);
    maps.write_parts(index, &set)?;
    maps.release(&target.endings)?;
    maps.set_pool(index, &set.pool)?;
    maps.retire(&target.endings)?;
    let key = VipKey::new(address, Be16::new(port), zone, protocol);
    let admission = Admission {
        limit: limit.unwrap_or(Admission::UNLIMITED),
        overflow: overflow as u32,
        restricted: u32::from(target.allowed.is_some()),
        generation,
    };
    let vip = Vip { pool: index, enabled: u32::from(enabled), admission, persistence };
    maps.set_vip(&key, &vip)?;
    // Where the pool was before, new connections are not wanted any more.
    listeners
        .iter()
        .filter(|(old, _)| *old != key)
        .try_for_each(|(old, _)| maps.remove_vip(old))?;
    if had_networks {
        maps.disallow(index, |old| old != generation)?;
    }
    if let Some(before) = before {
        maps.remove_parts(index, &before, &seated)?;
    }
    maps.unmark(index, generation)
}

/// Takes pool `index` out of the datapath: nobody is let in any more, and its connections have no time left.
///
/// # Errors
/// When a map cannot be written.
pub fn uninstall(maps: &mut Maps, index: u32) -> Result<(), DatapathError> {
    for (listener, _) in maps.vips_of(index)? {
        maps.remove_vip(&listener)?;
    }
    maps.remove_pool(index)?;
    maps.disallow(index, |_| true)?;
    maps.forget_identities(index, &[])?;
    maps.forget_clients(index)?;
    maps.keep_parts(index, None)
}

impl Target {
    /// The pool of this target in the given generation, and all that it refers to.
    #[must_use]
    pub fn set(&self, generation: u32) -> Set {
        let order = order(self.method, &self.slots);
        let mut slots = self.slots.clone();
        slots.sort_by_key(|slot| slot.member);
        seat(&mut slots);
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
            leaves: (slots.len() as u32).max(2).next_power_of_two(),
            port_low,
            port_high,
            members: self.slots.iter().filter(|slot| slot.weight > 0).count() as u32,
            tournament: self.method.tournament(self.has_limits()),
            keepalive_counts: self.keepalive_counts.into(),
            retries: self.failover.retries,
            eject_after: self.failover.eject_after,
            eject_for: self.failover.eject_for,
            snat,
            snat_count: self.snat.len().min(MAX_SNAT) as u32,
            mode: self.mode as u32,
        };
        Set { pool, slots, order }
    }

    /// Whether members can be full.
    fn has_limits(&self) -> bool {
        self.slots.iter().any(|slot| slot.weight > 0 && slot.limit > 0)
    }
}
