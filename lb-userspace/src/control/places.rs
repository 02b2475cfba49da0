//! Where in the maps there is room for what is new: a pool, its members, its device.

use std::collections::HashSet;

use lb_common::state::{Flow, TICKETS};

use super::ControlError;
use crate::datapath::Maps;
use crate::registry::{Ledger, Record, Registry};

/// The places of a pool among those that have the same maps. The registry's lock must be held.
pub(super) struct Places<'a> {
    registry: &'a Registry,
    id: &'a str,
    record: Record,
}

impl<'a> Places<'a> {
    pub(super) fn of(registry: &'a Registry, id: &'a str, record: &Record) -> Self {
        Self { registry, id, record: record.clone() }
    }

    /// An index for a pool that is new in these maps, in which no connection is of it.
    pub(super) fn pool(&self, maps: &Maps) -> Result<Option<u32>, ControlError> {
        if let Some(fresh) = self.fresh(1, TICKETS, |ledger| &mut ledger.pools)? {
            return Ok(Some(fresh));
        }
        let mut taken: HashSet<u32> = maps.flows()?.values().map(Flow::pool).collect();
        taken.extend(self.others()?.iter().map(|(_, other)| other.index));
        Ok((0..TICKETS).find(|index| !taken.contains(index)))
    }

    /// A zone for a device that is new in these maps.
    pub(super) fn zone(&self, maps: &Maps) -> Result<Option<u16>, ControlError> {
        let zones = maps.zones();
        if let Some(fresh) = self.fresh(1, zones, |ledger| &mut ledger.zones)? {
            return Ok(u16::try_from(fresh).ok());
        }
        let mut taken: HashSet<u16> = maps.flows()?.keys().map(|key| key.zone).collect();
        taken.extend(self.others()?.iter().map(|(_, other)| other.zone));
        Ok((0..zones)
            .filter_map(|zone| u16::try_from(zone).ok())
            .find(|zone| !taken.contains(zone)))
    }

    /// The first of so many indexes in a row for members, which nobody has ever had; none if there are not so many.
    pub(super) fn members(&self, count: u32, maps: &Maps) -> Result<Option<u32>, ControlError> {
        self.fresh(count, maps.member_capacity(), |ledger| &mut ledger.members)
    }

    /// The indexes of the members of the other pools.
    pub(super) fn members_of_others(&self) -> Result<Vec<u32>, ControlError> {
        let others = self.others()?;
        Ok(others.iter().flat_map(|(_, other)| &other.members).map(|member| member.index).collect())
    }

    fn others(&self) -> Result<Vec<(String, Record)>, ControlError> {
        Ok(self.registry.sharing(self.id, &self.record)?)
    }

    /// Gives out so many places that nobody has ever had, if there are so many below `end`; only of maps that devices
    /// share: elsewhere there are few to look at.
    fn fresh(
        &self,
        count: u32,
        end: u32,
        place: impl Fn(&mut Ledger) -> &mut u32,
    ) -> Result<Option<u32>, ControlError> {
        if !self.record.shared {
            return Ok(None);
        }
        let mut ledger = self.registry.given_out()?;
        let next = place(&mut ledger);
        let first = *next;
        if first.saturating_add(count) > end {
            return Ok(None);
        }
        *next += count;
        self.registry.give_out(&ledger)?;
        Ok(Some(first))
    }
}
