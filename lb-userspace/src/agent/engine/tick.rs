//! What is done again and again.

use std::time::Instant;

use super::{Engine, Slot};
use crate::control::rounds;

/// When what is due.
pub(super) struct Ticks {
    sweep: Instant,
    processes: Instant,
    look: Instant,
    ports: Instant,
}

impl Ticks {
    pub(super) fn new(now: Instant) -> Self {
        Self { sweep: now, processes: now, look: now, ports: now + rounds::PORTS }
    }

    /// When something is due next.
    pub(super) fn next(&self) -> Instant {
        self.sweep.min(self.processes).min(self.look).min(self.ports)
    }

    /// Does what is due. What takes longer than its time is not made up for.
    pub(super) fn run(&mut self, engine: &mut Engine, now: Instant) {
        if now >= self.sweep {
            let pools = engine.slots.values_mut().filter_map(Slot::serving);
            self.sweep = now + rounds::reap(pools);
        }
        if now >= self.processes {
            self.processes = now + rounds::SWEEP;
            engine.look_at_processes(now);
        }
        if now >= self.look {
            self.look = if engine.look_around() { now + rounds::LOOK } else { now };
            let Engine { slots, registry, .. } = engine;
            rounds::look_after(registry, slots.values_mut().filter_map(Slot::serving));
            engine.tell_wanting();
            engine.care.look(&engine.registry, engine.slots.values().filter_map(Slot::service));
        }
        if now >= self.ports {
            self.ports = now + rounds::PORTS;
            let Engine { slots, registry, .. } = engine;
            rounds::watch_ports(registry, slots.values_mut().filter_map(Slot::serving));
        }
    }
}
