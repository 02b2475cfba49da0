//! What a pool's declaration says about clients, as the datapath takes it.

use lb_common::addr::Addr;
use lb_common::state::{Identity, Overflow, Persistence};

use crate::config::PoolSpec;
use crate::config::model::{self, Cidr, SessionPersistence, VipSpec};
use crate::datapath::{Listener, Network};
use crate::registry::{MemberRecord, Record};

/// The pool's listener, at a device of this zone.
pub(super) fn listener(pool: &PoolSpec, vip: &VipSpec, zone: u16) -> Listener {
    Listener {
        address: vip.address.into(),
        port: vip.port.get(),
        protocol: pool.protocol.number(),
        zone,
        enabled: pool.admin_state_up && vip.admin_state_up,
        limit: vip.connection_limit,
        overflow: match vip.overflow {
            model::Overflow::Drop => Overflow::Drop,
            model::Overflow::Reset => Overflow::Reset,
        },
        persistence: persistence(pool),
    }
}

/// The only clients that are served.
pub(super) fn allowed(vip: &VipSpec) -> Option<Vec<Network>> {
    let network = |cidr: &Cidr| {
        let address = cidr.address();
        Network { address: address.into(), bits: bits(address.is_ipv4(), cidr.bits()) }
    };
    vip.allowed_cidrs.as_ref().map(|cidrs| cidrs.iter().map(network).collect())
}

/// The members that clients may stick to, by index: those that are up, drained ones included.
pub(super) fn identities(pool: &PoolSpec, record: &Record) -> Vec<(u32, Identity)> {
    let up =
        |id: &str| pool.members.iter().any(|spec| spec.id.as_str() == id && spec.admin_state_up);
    let usable =
        record.members.iter().filter(|member| !member.removed && !member.down && up(&member.id));
    let identity = |member: &MemberRecord| {
        (member.index, Identity { incarnation: member.incarnation, pool: record.index })
    };
    usable.map(identity).collect()
}

/// Bits of a prefix, as the datapath's addresses have them.
const fn bits(is_ipv4: bool, bits: u8) -> u32 {
    bits as u32 + if is_ipv4 { Addr::V4_BITS } else { 0 }
}

/// Persistence by cookie was refused as not servable.
fn persistence(pool: &PoolSpec) -> Persistence {
    match &pool.session_persistence {
        Some(SessionPersistence::SourceIp { timeout, granularity }) => Persistence {
            timeout: timeout.map_or(0, |time| time.as_duration().as_nanos() as u64),
            mask: Addr::mask(
                granularity.map_or(Addr::BITS, |mask| bits(mask.is_ipv4(), mask.bits())),
            ),
            enabled: 1,
        },
        None | Some(SessionPersistence::HttpCookie | SessionPersistence::AppCookie { .. }) => {
            Persistence::default()
        }
    }
}
