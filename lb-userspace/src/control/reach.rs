//! Members that the datapath cannot reach.

use std::net::IpAddr;

use super::ControlError;
use crate::config::PoolSpec;
use crate::config::model::{Id, MemberSpec, Mode};
use crate::node::{Place, Way, ways_to};
use crate::registry::Record;

/// Warns of members whose packets would not leave by the VIP's device: one arm is all there is.
pub(super) fn warn_unreachable(place: &Place, record: &Record, pool: &Id, members: &[MemberSpec]) {
    let problems = match problems(place, record.ifindex, members, true) {
        Ok(problems) => problems,
        Err(error) => {
            tracing::debug!(error = error.chain(), "cannot look up the ways to members");
            return;
        }
    };
    for (member, problem) in problems {
        let MemberSpec { id, address, .. } = member;
        tracing::warn!(
            %pool, member = %id,
            "{address} {problem}: its connections will fail; members must be reached through {}",
            record.device
        );
    }
}

/// Makes sure that `members` of a pool are on the link of the VIP's device if they have to be: with
/// `mode: dsr` packets keep the VIP as their destination, which no router takes to a member.
///
/// # Errors
/// When one is not, or it cannot be found out.
pub(super) fn check_link(
    place: &Place,
    (ifindex, device): (u32, &str),
    pool: &PoolSpec,
    members: &[MemberSpec],
) -> Result<(), ControlError> {
    if pool.mode != Mode::Dsr {
        return Ok(());
    }
    let problems = problems(place, ifindex, members, false)?;
    let Some((member, problem)) = problems.first() else { return Ok(()) };
    Err(ControlError::OffLink {
        pool: pool.id.to_string(),
        member: member.id.to_string(),
        address: member.address,
        problem,
        device: device.to_owned(),
    })
}

/// What is in the way of members' packets by the device with this index, through gateways or not.
fn problems<'a>(
    place: &Place,
    ifindex: u32,
    members: &'a [MemberSpec],
    gateways: bool,
) -> Result<Vec<(&'a MemberSpec, &'static str)>, ControlError> {
    let addresses: Vec<IpAddr> = members.iter().map(|member| member.address).collect();
    let ways = place.run(|| ways_to(&addresses))?;
    let problem = |(member, way)| {
        let problem = match way {
            Way::Device(found) if found == ifindex => return None,
            Way::Gateway(found) if found == ifindex && gateways => return None,
            Way::Gateway(found) if found == ifindex => "is behind a gateway",
            Way::Device(_) | Way::Gateway(_) => "is reached through another device",
            Way::Local => "is an address of the VIP's own namespace",
            Way::None => "has no route",
        };
        Some((member, problem))
    };
    Ok(members.iter().zip(ways).filter_map(problem).collect())
}
