//! From a pool's declaration to the maps.
//!
//! The order of the writes is what makes a change atomic for packets: the new round robin cycle is
//! complete before the pool that names it appears, and the old one goes when no new
//! packet can ask for it.

use lb_common::{
    addr::Addr,
    be::Be16,
    schedule::{Cycle, Turn},
    state::{Cursor, Load, MAX_MEMBERS, Method, Pool, Slot, TickKey, Timers, Vip, VipKey},
    wire::ipv4,
};

use super::{DatapathError, Maps};

/// Where a pool's clients connect.
#[derive(Clone, Copy, Debug)]
pub struct Listener {
    /// The VIP.
    pub address: Addr,
    /// The port.
    pub port: u16,
    /// False to refuse new connections.
    pub enabled: bool,
}

/// What the datapath is to do for a pool.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where clients connect.
    pub listener: Listener,
    /// How a member is chosen.
    pub method: Method,
    /// How long connections stay.
    pub timers: Timers,
    /// Whether keepalives count as life.
    pub keepalive_counts: bool,
    /// Lowest and highest NAT port.
    pub ports: (u16, u16),
    /// The members that may take new connections, in order; at most [`MAX_MEMBERS`].
    pub slots: Vec<Slot>,
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
    let generation = before.map_or(1, |pool| pool.generation.wrapping_add(1));
    let Cursor { stamp, .. } = maps.cursor(index)?;
    for member in &target.newcomers {
        // A newcomer queues behind those that are as idle as itself.
        maps.clear_stats(*member)?;
        maps.set_load(*member, Load { stamp: stamp.get().into(), ..Load::default() })?;
    }

    let ticks = write_cycle(maps, index, generation, &target.slots)?;
    let mut slots = [Slot::default(); MAX_MEMBERS];
    for (slot, member) in slots.iter_mut().zip(&target.slots) {
        *slot = *member;
    }
    let (port_low, port_high) = target.ports;
    let pool = Pool {
        timers: target.timers,
        generation,
        method: target.method as u32,
        members: target.slots.len().min(MAX_MEMBERS) as u32,
        ticks,
        port_low,
        port_high,
        keepalive_counts: target.keepalive_counts.into(),
        slots,
    };
    maps.set_pool(index, &pool)?;
    let Listener { address, port, enabled } = target.listener;
    let key = VipKey::new(address, Be16::new(port), ZONE, ipv4::TCP);
    maps.set_vip(&key, &Vip { pool: index, enabled: u32::from(enabled) })?;
    // Where the pool was before, new connections are not wanted any more.
    maps.remove_vips_but(&key, index)?;

    if let Some(before) = before {
        for tick in 0..before.ticks {
            maps.remove_tick(&TickKey { pool: index, generation: before.generation, tick })?;
        }
    }
    Ok(())
}

/// Writes the round robin cycle of `slots`; returns its length.
fn write_cycle(
    maps: &mut Maps,
    pool: u32,
    generation: u32,
    slots: &[Slot],
) -> Result<u32, DatapathError> {
    let mut turns: Vec<Turn> = slots.iter().map(|slot| Turn::new(slot.weight)).collect();
    let cycle = Cycle::new(&mut turns);
    let ticks = cycle.period() as u32;
    for (tick, slot) in (0..ticks).zip(cycle) {
        maps.set_tick(&TickKey { pool, generation, tick }, slot as u32)?;
    }
    Ok(ticks)
}
