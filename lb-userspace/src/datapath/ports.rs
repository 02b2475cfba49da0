//! NAT ports, read from and tidied in their map.

use std::collections::HashMap;

use lb_common::addr::Addr;
use lb_common::state::{MAX_SNAT, Pool, PortBlock, PortKey};
use zerocopy::transmute;

use super::maps::{Maps, failed, found};
use super::{DatapathError, walk};

/// How many ports of one source address a member has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortUse {
    /// Ports there are.
    pub available: u32,
    /// Those of connections that have not ended.
    pub in_use: u32,
    /// Those at rest that the member may keep in TIME_WAIT: some new connections can have them.
    pub waiting: u32,
    /// Those at rest that any new connection can have.
    pub quiet: u32,
}

impl PortUse {
    /// Ports that not every new connection can have.
    pub const fn pressed(&self) -> u32 {
        self.in_use + self.waiting
    }

    /// Whether four fifths of the ports are such.
    pub fn is_pressed(&self) -> bool {
        u64::from(self.pressed()) * 5 >= u64::from(self.available) * 4
    }

    /// Both together.
    const fn plus(self, other: Self) -> Self {
        Self {
            available: self.available + other.available,
            in_use: self.in_use + other.in_use,
            waiting: self.waiting + other.waiting,
            quiet: self.quiet + other.quiet,
        }
    }

    fn add(&mut self, block: &PortBlock) {
        for ((taken, quiet), waiting) in block.taken.iter().zip(&block.quiet).zip(&block.waiting) {
            let (taken, quiet, waiting) = (taken.get(), quiet.get(), waiting.get());
            self.in_use += (taken & !quiet & !waiting).count_ones();
            self.waiting += (taken & waiting).count_ones();
            self.quiet += (taken & quiet).count_ones();
        }
    }
}

/// The ports of a datapath at one moment, by zone, member and source address.
#[derive(Debug, Default)]
pub struct PortUses(HashMap<(u16, Addr, u16, Addr), PortUse>);

impl PortUses {
    /// Whether none was ever taken in a zone, or all are forgotten.
    pub fn is_idle(&self, zone: u16) -> bool {
        self.0.keys().all(|key| key.0 != zone)
    }

    /// Those of a pool at a device of this zone, which has these sources ([`Maps::sources`]).
    pub const fn of_pool(&self, zone: u16, sources: Vec<(Addr, u32)>) -> Ports<'_> {
        Ports { uses: self, zone, sources }
    }
}

/// The ports of a pool.
#[derive(Debug)]
pub struct Ports<'a> {
    uses: &'a PortUses,
    zone: u16,
    sources: Vec<(Addr, u32)>,
}

impl Ports<'_> {
    /// Source addresses and the ports of the member at `address` and `port` on each.
    pub fn of(&self, address: Addr, port: u16) -> impl Iterator<Item = (Addr, PortUse)> {
        self.sources.iter().map(move |(source, available)| {
            let key = (self.zone, address, port, *source);
            let known = self.uses.0.get(&key).copied().unwrap_or_default();
            (*source, PortUse { available: *available, ..known })
        })
    }

    /// The ports of the member on all source addresses together.
    pub fn total(&self, address: Addr, port: u16) -> PortUse {
        self.of(address, port).fold(PortUse::default(), |sum, (_, each)| sum.plus(each))
    }
}

impl Maps {
    /// Every block of NAT ports in which some are taken or have been, as exactly as a walk can tell.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn port_blocks(&self) -> Result<HashMap<PortKey, PortBlock>, DatapathError> {
        let entries = self.ports.iter().map(|entry| {
            let (key, block) = entry?;
            Ok((transmute!(key), transmute!(block)))
        });
        walk::whole(entries).map_err(failed("PORTS"))
    }

    /// How many ports are in use.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn port_uses(&self) -> Result<PortUses, DatapathError> {
        let mut uses = PortUses::default();
        for (key, block) in self.port_blocks()? {
            let key = (key.zone, key.member, key.port.get(), key.source);
            uses.0.entry(key).or_default().add(&block);
        }
        Ok(uses)
    }

    /// The source addresses of pool `index`, whose clients connect to `listener`, and how many ports each has.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn sources(
        &self,
        index: u32,
        listener: (Addr, u16),
    ) -> Result<Vec<(Addr, u32)>, DatapathError> {
        Ok(self.pool(index)?.map(|pool| sources(&pool, listener)).unwrap_or_default())
    }

    /// Removes the blocks in which no port is taken.
    ///
    /// A port that is taken in that instant loses its bit, and the insertion of the member's entry alone
    /// says that it is taken.
    ///
    /// # Errors
    /// When the map cannot be read or written.
    pub fn forget_free_ports(&mut self) -> Result<(), DatapathError> {
        let is_free = |block: &PortBlock| block.taken.iter().all(|word| word.get() == 0);
        for (key, block) in self.port_blocks()? {
            if is_free(&block) {
                let key: [u8; _] = transmute!(key);
                found(self.ports.remove(&key), "PORTS")?;
            }
        }
        Ok(())
    }
}

/// The source addresses of a pool and how many ports each has. A member never sees the listener's port.
fn sources(pool: &Pool, listener: (Addr, u16)) -> Vec<(Addr, u32)> {
    let range = pool.port_low..=pool.port_high;
    let all = u32::from(pool.port_high.saturating_sub(pool.port_low)) + 1;
    let vip = all - u32::from(range.contains(&listener.1));
    let others = pool.snat.iter().take((pool.snat_count as usize).min(MAX_SNAT));
    std::iter::once((listener.0, vip)).chain(others.map(|address| (*address, all))).collect()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_port_counts_as_what_it_is() {
        let block = PortBlock::default();
        block.taken[0].set(0b1111_0000);
        block.quiet[0].set(0b0011_0000);
        block.waiting[0].set(0b0100_0000);
        block.taken[7].set(1 << 63);
        let mut counted = PortUse::default();
        counted.add(&block);
        let expected = PortUse { available: 0, in_use: 2, waiting: 1, quiet: 2 };
        assert_eq!(counted, expected);
        assert_eq!(counted.pressed(), 3);
    }

    #[test]
    fn the_listeners_port_is_not_there() {
        let (vip, other) =
            (Ipv4Addr::new(10, 0, 0, 250).into(), Ipv4Addr::new(10, 0, 0, 251).into());
        let mut pool = Pool { port_low: 78, port_high: 82, snat_count: 1, ..Pool::default() };
        pool.snat[0] = other;
        assert_eq!(sources(&pool, (vip, 80)), [(vip, 4), (other, 5)]);
        assert_eq!(sources(&pool, (vip, 83)), [(vip, 5), (other, 5)]);
    }
}
