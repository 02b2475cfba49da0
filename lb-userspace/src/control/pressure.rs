//! How many NAT ports are left towards each member: said before new connections have to be refused.

use std::collections::HashMap;
use std::net::SocketAddr;

use lb_common::addr::Addr;

use super::ControlError;
use super::fill::Fill;
use super::plan::endpoint;
use super::update::listener;
use crate::datapath::{Maps, PortUses};
use crate::registry::{Registry, Served};

/// Watches the NAT ports of a pool's members.
#[derive(Debug, Default)]
pub(super) struct Pressure(HashMap<SocketAddr, Fill>);

impl Pressure {
    /// Logs where four fifths are taken, once for each member until there are some again.
    pub(super) fn watch(
        &mut self,
        registry: &Registry,
        id: &str,
        maps: &Maps,
        uses: &PortUses,
    ) -> Result<(), ControlError> {
        let Some(Served { pool, record }) = registry.get(id)? else { return Ok(()) };
        let vip = listener(&pool)?;
        let listener = (Addr::from(vip.address), vip.port.get());
        let ports = uses.of_pool(record.zone, maps.sources(record.index, listener)?);
        let members: Vec<SocketAddr> = pool.members.iter().map(endpoint).collect();
        self.0.retain(|member, _| members.contains(member));
        for member in members {
            let all = ports.total(Addr::from(member.ip()), member.port());
            let fill = self.0.entry(member).or_insert(Fill::of(all.available));
            if fill.rises(all.pressed()) {
                tracing::warn!(
                    pool = id,
                    "NAT ports towards the member {member} are nearly all taken: {} of {}, {} of \
                     them by connections that have ended; new connections to it are refused when \
                     there is none (snat_addresses)",
                    all.pressed(),
                    all.available,
                    all.waiting,
                );
            }
        }
        Ok(())
    }
}
