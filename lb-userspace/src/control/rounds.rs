//! What a controller does again and again for the pools that it serves. What fails is tried again with the next round.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::time::ClockId;

use super::home::ALL;
use super::{ControlError, Serving};
use crate::datapath::{Maps, PortUses};
use crate::once::once;
use crate::registry::Registry;

/// How often expired connections are looked for, and who has ended.
pub const SWEEP: Duration = Duration::from_millis(500);
/// Expired connections are looked for less often where that would take more than one part in so many of a CPU; but not less often
/// than after this time for each conntrack entry, because a sweep that ends thousands takes long, and the next one will not.
const SHARE: u32 = 50;
const EACH: Duration = Duration::from_nanos(12_500);
/// How often devices and slow starts are looked at.
pub const LOOK: Duration = Duration::from_secs(1);
/// How often it is looked how many NAT ports are left.
pub const PORTS: Duration = Duration::from_secs(5);

/// Expires connections, at each device once for all of its pools. Returns after which time to do so again.
pub fn reap<'a>(serving: impl IntoIterator<Item = &'a mut Serving>) -> Duration {
    let before = spent();
    let entries = sweep(serving);
    pause(spent().saturating_sub(before), entries)
}

/// What this thread has spent of a CPU; how long it had to wait for one is not in it.
fn spent() -> Duration {
    ClockId::CLOCK_THREAD_CPUTIME_ID.now().map_or(Duration::ZERO, Duration::from)
}

/// After which time to sweep again what took this much, with so many entries.
fn pause(cost: Duration, entries: u32) -> Duration {
    (cost * SHARE).min(EACH * entries).max(SWEEP)
}

/// Returns how many conntrack entries there were.
fn sweep<'a>(serving: impl IntoIterator<Item = &'a mut Serving>) -> u32 {
    let mut entries = 0_u32;
    let mut met = |name: &str, swept: Result<u32, ControlError>| {
        let count = |found| entries = entries.saturating_add(found);
        warn(name, swept.map(count), "cannot expire connections");
    };
    let mut pools: Vec<&mut Serving> = serving.into_iter().collect();
    let mut devices = HashSet::new();
    for pool in &mut pools {
        if pool.shared().is_none() && devices.insert(pool.at()) {
            let reaped = pool.reap();
            met(pool.id(), reaped);
        }
    }
    let shared = || pools.iter().filter_map(|pool| pool.shared());
    if let Some((home, ..)) = shared().next() {
        let zones = shared().map(|(_, zone, place, ifindex)| (zone, (place, ifindex))).collect();
        met(ALL, home.sweep(&zones));
    }
    entries
}

/// Warns when NAT ports run out, and tidies up what is known of those that are all free.
pub fn watch_ports<'a>(registry: &Registry, serving: impl IntoIterator<Item = &'a mut Serving>) {
    let mut seen: HashMap<PathBuf, (Maps, PortUses)> = HashMap::new();
    for pool in serving {
        let watched = (|| {
            let (maps, uses) = once(&mut seen, pool.pins(registry), |pins| look_at_ports(pins))?;
            pool.watch_ports(registry, maps, uses)
        })();
        warn(pool.id(), watched, "cannot look at NAT ports");
    }
}

fn look_at_ports(pins: &Path) -> Result<(Maps, PortUses), ControlError> {
    let mut maps = Maps::open(pins)?;
    let uses = maps.port_uses()?;
    maps.forget_free_ports()?;
    Ok((maps, uses))
}

/// Sees to it that what XDP sends is received, and goes on with slow starts.
pub fn look_after<'a>(registry: &Registry, serving: impl IntoIterator<Item = &'a mut Serving>) {
    for pool in serving {
        let guarded = pool.guard(registry);
        warn(pool.id(), guarded, "cannot look at the peer");
        let ramped = pool.ramp(registry);
        warn(pool.id(), ramped, "cannot go on with a slow start");
    }
}

fn warn(pool: &str, done: Result<(), ControlError>, failure: &str) {
    if let Err(error) = done {
        tracing::warn!(pool, error = error.chain(), "{failure}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_long_is_done_rarely() {
        let after = |ms, entries| pause(Duration::from_millis(ms), entries).as_secs_f64();
        assert_eq!([after(9, 100_000), after(20, 100_000)], [0.5, 1.0]);
        // A million connections; and a hundred thousand entries of which half had to be told.
        assert_eq!([after(1_000, 2_000_000), after(3_000, 100_000)], [25.0, 1.25]);
        assert_eq!(after(3_000, 0), 0.5);
    }
}
