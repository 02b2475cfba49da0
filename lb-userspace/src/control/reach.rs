//! Members that the datapath cannot reach.

use std::net::IpAddr;

use crate::config::model::{Id, MemberSpec};
use crate::node::{Place, Way, ways_to};
use crate::registry::Record;

/// Warns of members whose packets would not leave by the VIP's device: one arm is all there is.
pub(super) fn warn_unreachable(place: &Place, record: &Record, pool: &Id, members: &[MemberSpec]) {
    let at = |member: &MemberSpec| (member.id.clone(), member.address);
    let (ids, addresses): (Vec<Id>, Vec<IpAddr>) = members.iter().map(at).unzip();
    let ways = match place.run(|| ways_to(&addresses)) {
        Ok(ways) => ways,
        Err(error) => {
            tracing::debug!(%error, "cannot look up the ways to members");
            return;
        }
    };
    for ((member, address), way) in ids.iter().zip(&addresses).zip(ways) {
        let problem = match way {
            Way::Device(found) if found == record.ifindex => continue,
            Way::Device(_) => "is reached through another device",
            Way::Local => "is an address of the VIP's own namespace",
            Way::None => "has no route",
        };
        tracing::warn!(
            %pool, %member,
            "{address} {problem}: its connections will fail; members must be reached through {}",
            record.device
        );
    }
}
