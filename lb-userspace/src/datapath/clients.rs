//! The tables about clients: which networks are allowed, and who is kept on which member.

use aya::maps::lpm_trie::Key;
use lb_common::state::{AllowedNet, Identity, Sticky, StickyKey, VipLoad};
use zerocopy::transmute;

use super::maps::{failed, found};
use super::{DatapathError, Maps, Network};

type RawNet = [u8; size_of::<AllowedNet>()];

impl Maps {
    /// Allows `networks` to the listeners of pool `pool` that name `generation`.
    pub(super) fn allow(
        &mut self,
        pool: u32,
        generation: u32,
        networks: &[Network],
    ) -> Result<(), DatapathError> {
        for Network { address, bits } in networks {
            let net: RawNet = transmute!(AllowedNet { pool, generation, address: *address });
            let key = Key::new(AllowedNet::prefix(*bits), net);
            self.allowed.insert(&key, 1, 0).map_err(failed("ALLOWED"))?;
        }
        Ok(())
    }

    /// Forgets the networks of the generations that `unwanted` picks. A listener that names one
    /// of them serves nobody from then on.
    pub(super) fn disallow(
        &mut self,
        pool: u32,
        unwanted: impl Fn(u32) -> bool,
    ) -> Result<(), DatapathError> {
        let keys: Result<Vec<Key<RawNet>>, _> = self.allowed.keys().collect();
        for key in keys.map_err(failed("ALLOWED"))? {
            let net: AllowedNet = transmute!(key.data());
            if net.pool == pool && unwanted(net.generation) {
                found(self.allowed.remove(&key), "ALLOWED")?;
            }
        }
        Ok(())
    }

    /// Makes clients of a pool stick to these members and to no others, of those that it has had.
    pub(super) fn identify(
        &mut self,
        before: &[u32],
        identities: &[(u32, Identity)],
    ) -> Result<(), DatapathError> {
        for member in before.iter().filter(|old| identities.iter().all(|(new, _)| new != *old)) {
            found(self.members.remove(member), "MEMBERS")?;
        }
        for (member, identity) in identities {
            let identity: [u8; size_of::<Identity>()] = transmute!(*identity);
            self.members.insert(member, identity, 0).map_err(failed("MEMBERS"))?;
        }
        Ok(())
    }

    /// Lets no client of pool `pool` stick to any but these members.
    pub(super) fn forget_identities(
        &mut self,
        pool: u32,
        kept: &[(u32, Identity)],
    ) -> Result<(), DatapathError> {
        let before: Result<Vec<_>, _> = self.members.iter().collect();
        for (member, identity) in before.map_err(failed("MEMBERS"))? {
            let identity: Identity = transmute!(identity);
            if identity.pool == pool && !kept.iter().any(|(kept, _)| *kept == member) {
                found(self.members.remove(&member), "MEMBERS")?;
            }
        }
        Ok(())
    }

    /// The connections of a pool's listener.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn vip_load(&self, pool: u32) -> Result<VipLoad, DatapathError> {
        self.vip_loads.get(&pool, 0).map(|raw| transmute!(raw)).map_err(failed("VIP_LOADS"))
    }

    /// Forgets the clients of a pool.
    pub(super) fn forget_clients(&mut self, pool: u32) -> Result<(), DatapathError> {
        for (key, _) in self.sticky()?.into_iter().filter(|(key, _)| key.pool == pool) {
            let key: [u8; _] = transmute!(key);
            found(self.sticky.remove(&key), "STICKY")?;
        }
        Ok(())
    }

    /// Every client that has a member to stick to, those whose time is over or whose member is gone
    /// included.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn sticky(&self) -> Result<Vec<(StickyKey, Sticky)>, DatapathError> {
        let entries = self.sticky.iter().map(|entry| {
            let (key, sticky) = entry.map_err(failed("STICKY"))?;
            Ok((transmute!(key), transmute!(sticky)))
        });
        entries.collect()
    }
}
