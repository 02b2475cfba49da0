//! A pool that could be served: everything is found and nothing is changed for packets yet.

use std::net::Ipv4Addr;

use super::standing::{Standing, standing, take_down};
use super::{ControlError, update::listener};
use crate::config::PoolSpec;
use crate::node::{Site, locate};
use crate::registry::{Lock, Registry, RegistryError, Served};

/// A pool, where it is to be served, and the right to.
pub(super) struct Candidate<'a> {
    pub(super) pool: &'a PoolSpec,
    pub(super) site: Site,
    /// The pool as it is served there already.
    pub(super) before: Option<Served>,
    pub(super) claim: Lock,
}

impl<'a> Candidate<'a> {
    /// Finds the place of `pool` and claims it. The registry's lock must be held.
    pub(super) fn find(registry: &Registry, pool: &'a PoolSpec) -> Result<Self, ControlError> {
        let (_, address) = listener(pool)?;
        let site = locate(&pool.namespace(), address)?;
        check_vip(registry, pool, address, &site)?;
        let claim = registry.claim(pool.id.as_str())?;
        let before = served_there(registry, pool, &site)?;
        Ok(Self { pool, site, before, claim })
    }

    /// Makes sure that no two candidates have one VIP.
    pub(super) fn check_each_other(candidates: &[Self]) -> Result<(), ControlError> {
        let place = |candidate: &Self| {
            let vip = candidate.pool.vip.as_ref().map(|vip| vip.address);
            (candidate.site.netns, vip)
        };
        for (index, candidate) in candidates.iter().enumerate() {
            let earlier = candidates.iter().take(index);
            if let Some(other) = earlier.into_iter().find(|other| place(other) == place(candidate))
                && let (_, Some(vip)) = place(candidate)
            {
                let (pool, other) = (candidate.pool.id.to_string(), other.pool.id.to_string());
                return Err(RegistryError::VipTaken { pool, vip, other }.into());
            }
        }
        Ok(())
    }
}

/// Makes sure that no other pool is served at the VIP. What is left of one whose namespace or
/// device is gone is removed.
fn check_vip(
    registry: &Registry,
    pool: &PoolSpec,
    vip: Ipv4Addr,
    site: &Site,
) -> Result<(), ControlError> {
    for Served { record, pool: other } in registry.list()? {
        let same_vip = other.vip.as_ref().is_some_and(|theirs| theirs.address == vip);
        let same_place = record.netns == site.netns || record.namespace == site.place.name();
        if other.id == pool.id || !same_vip || !same_place {
            continue;
        }
        let id = other.id.as_str();
        match standing(registry, id, &record)? {
            Standing::Gone if registry.controller(id).is_none() => {
                tracing::warn!(pool = id, "its namespace or device is gone: it is forgotten");
                registry.discard(id)?;
            }
            Standing::Elsewhere if record.netns != site.netns => {}
            Standing::Attached | Standing::Gone | Standing::Elsewhere => {
                let (pool, other) = (pool.id.to_string(), id.to_owned());
                return Err(RegistryError::VipTaken { pool, vip: vip.into(), other }.into());
            }
        }
    }
    Ok(())
}

/// The pool's record if it is served at `site` already. A service somewhere else ends: its
/// connections went with the device, or with the VIP.
fn served_there(
    registry: &Registry,
    pool: &PoolSpec,
    site: &Site,
) -> Result<Option<Served>, ControlError> {
    let id = pool.id.as_str();
    let Some(served) = registry.get(id)? else { return Ok(None) };
    let record = &served.record;
    let here = record.netns == site.netns && record.ifindex == site.device.index;
    if here && standing(registry, id, record)? == Standing::Attached {
        return Ok(Some(served));
    }
    tracing::warn!(
        pool = id,
        "it was served on {} and is not there any more, or the VIP is not: its connections are lost",
        record.device
    );
    take_down(registry, id, record)?;
    registry.forget(id)?;
    Ok(None)
}
