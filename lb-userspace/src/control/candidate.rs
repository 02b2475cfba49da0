//! A pool that could be served: everything is found and nothing is changed for packets yet.

use std::net::SocketAddr;

use super::reach::check_link;
use super::standing::{Standing, standing, take_down};
use super::{ControlError, update::listener};
use crate::config::PoolSpec;
use crate::config::model::VipSpec;
use crate::node::{Site, locate};
use crate::registry::{Lock, Registry, RegistryError, Served};

/// A pool, where it is to be served, and the right to.
pub(super) struct Candidate<'a> {
    pub(super) pool: &'a PoolSpec,
    pub(super) site: Site,
    pub(super) earlier: Earlier,
    pub(super) claim: Lock,
}

impl<'a> Candidate<'a> {
    /// Finds the place of `pool` and claims it. The registry's lock must be held.
    pub(super) fn find(registry: &Registry, pool: &'a PoolSpec) -> Result<Self, ControlError> {
        let vip = listener(pool)?;
        let site = locate(&pool.namespace(), vip.address)?;
        for source in pool.snat_addresses.iter().copied() {
            site.check_source(source)?;
        }
        let device = (site.device.index, site.device.name.as_str());
        check_link(&site.place, device, pool, &pool.members)?;
        check_vip(registry, pool, end(vip), &site)?;
        let claim = registry.claim(pool.id.as_str())?;
        let earlier = Earlier::of(registry, pool, &site)?;
        Ok(Self { pool, site, earlier, claim })
    }

    /// Makes sure that no two candidates have one port of a VIP, unless one is of TCP and the other of UDP.
    pub(super) fn check_each_other(candidates: &[Self]) -> Result<(), ControlError> {
        let place = |candidate: &Self| {
            let vip = candidate.pool.vip.as_ref().map(end);
            (candidate.site.netns, candidate.pool.protocol.is_udp(), vip)
        };
        for (index, candidate) in candidates.iter().enumerate() {
            let mut others = candidates.iter().take(index);
            if let Some(other) = others.find(|other| place(other) == place(candidate))
                && let (.., Some(vip)) = place(candidate)
            {
                let (pool, other) = (candidate.pool.id.to_string(), other.pool.id.to_string());
                return Err(RegistryError::VipTaken { pool, vip, other }.into());
            }
        }
        Ok(())
    }
}

/// Makes sure that no other pool of TCP, or of UDP as this one is, is served at this port of the VIP. What is left of one
/// whose namespace or device is gone is removed.
fn check_vip(
    registry: &Registry,
    pool: &PoolSpec,
    vip: SocketAddr,
    site: &Site,
) -> Result<(), ControlError> {
    for served in registry.all()? {
        let Served { record, pool: other } = &*served;
        let same_vip = other.vip.as_ref().is_some_and(|theirs| end(theirs) == vip);
        let same_place = record.netns == site.netns || record.namespace == site.place.name();
        let same_ports = other.protocol.is_udp() == pool.protocol.is_udp();
        if other.id == pool.id || !same_vip || !same_place || !same_ports {
            continue;
        }
        let id = other.id.as_str();
        match standing(registry, record)? {
            Standing::Gone if registry.controller(id).is_none() => {
                tracing::warn!(pool = id, "its namespace or device is gone: it is forgotten");
                registry.discard(id)?;
            }
            Standing::Elsewhere if record.netns != site.netns => {}
            Standing::Attached | Standing::Gone | Standing::Elsewhere => {
                let (pool, other) = (pool.id.to_string(), id.to_owned());
                return Err(RegistryError::VipTaken { pool, vip, other }.into());
            }
        }
    }
    Ok(())
}

/// Where clients connect.
fn end(vip: &VipSpec) -> SocketAddr {
    SocketAddr::new(vip.address, vip.port.get())
}

/// How the pool of a candidate is served already.
pub(super) enum Earlier {
    /// Not at all.
    None,
    /// On the candidate's device: that is taken over.
    Here(Served),
    /// Somewhere the VIP is no more: that is taken down. Its connections went with the device, or
    /// with the VIP.
    Left(Served),
}

impl Earlier {
    fn of(registry: &Registry, pool: &PoolSpec, site: &Site) -> Result<Self, ControlError> {
        let id = pool.id.as_str();
        let Some(served) = registry.get(id)? else { return Ok(Self::None) };
        let record = &served.record;
        let here = record.netns == site.netns && record.ifindex == site.device.index;
        let attached = here && standing(registry, record)? == Standing::Attached;
        Ok(if attached { Self::Here(served) } else { Self::Left(served) })
    }

    /// What is taken over. Leaves the place that the VIP has left.
    pub(super) fn settle(self, registry: &Registry) -> Result<Option<Served>, ControlError> {
        match self {
            Self::None => Ok(None),
            Self::Here(served) => Ok(Some(served)),
            Self::Left(Served { record, pool }) => {
                tracing::warn!(
                    pool = %pool.id,
                    "it was served on {} and is not there any more, or the VIP is not: its \
                     connections are lost",
                    record.device
                );
                take_down(registry, pool.id.as_str(), &record)?;
                registry.forget(pool.id.as_str())?;
                Ok(None)
            }
        }
    }
}
