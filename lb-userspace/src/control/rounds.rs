//! What a controller does again and again for the pools that it serves. What fails is tried again with the next round.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::home::ALL;
use super::{ControlError, Serving};
use crate::datapath::{Maps, PortUses};
use crate::once::once;
use crate::registry::Registry;

/// How often expired connections are looked for.
pub const SWEEP: Duration = Duration::from_millis(500);
/// How often devices and slow starts are looked at.
pub const LOOK: Duration = Duration::from_secs(1);
/// How often it is looked how many NAT ports are left.
pub const PORTS: Duration = Duration::from_secs(5);

/// Expires connections, at each device once for all of its pools.
pub fn reap<'a>(serving: impl IntoIterator<Item = &'a mut Serving>) {
    let mut pools: Vec<&mut Serving> = serving.into_iter().collect();
    let mut devices = HashSet::new();
    for pool in &mut pools {
        if pool.shared().is_none() && devices.insert(pool.at()) {
            let reaped = pool.reap();
            warn(pool.id(), reaped, "cannot expire connections");
        }
    }
    let shared = || pools.iter().filter_map(|pool| pool.shared());
    if let Some((home, ..)) = shared().next() {
        let zones = shared().map(|(_, zone, place, ifindex)| (zone, (place, ifindex))).collect();
        warn(ALL, home.sweep(&zones), "cannot expire connections");
    }
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
