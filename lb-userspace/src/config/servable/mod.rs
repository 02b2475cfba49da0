//! What this version's datapath serves. The import is faithful to HAProxy; this is where
//! qlb says what it can do with the result today.

mod notices;

use std::fmt;
use std::net::IpAddr;

use lb_common::state::MAX_MEMBERS;

use super::model::{PoolSpec, SessionPersistence};
use notices::notices;

/// A difference the operator should know; the pool is served all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The field of the pool, such as `monitor`.
    pub field: &'static str,
    /// What differs.
    pub text: String,
}

/// Why the pool is not served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The field of the pool, such as `vip.address`.
    pub field: &'static str,
    /// What is not served.
    pub text: String,
    /// What the operator can write or do instead.
    pub alternative: String,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.text)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.field, self.text, self.alternative)
    }
}

/// Says whether the datapath serves `pool` beside `others`, which may include itself.
///
/// # Errors
/// Every reason why not; the pool is then not served at all, rather than served differently.
pub fn servable<'a>(
    pool: &PoolSpec,
    others: impl IntoIterator<Item = &'a PoolSpec>,
) -> Result<Vec<Notice>, Vec<Refusal>> {
    let mut refusals = refusals(pool);
    refusals.extend(others.into_iter().find_map(|other| shared_address(pool, other)));
    if refusals.is_empty() { Ok(notices(pool)) } else { Err(refusals) }
}

/// Says why no pool can have a member at `address`, if that is so.
pub fn unserved_address(address: IpAddr) -> Option<Refusal> {
    address.is_ipv6().then(|| Refusal {
        field: "members",
        text: format!("the member {address} is IPv6, which this version does not serve"),
        alternative: "use IPv4 members, or leave the pool on HAProxy".to_owned(),
    })
}

/// Each pool hands out the NAT ports of its addresses for itself, so no two pools can share one.
fn shared_address(pool: &PoolSpec, other: &PoolSpec) -> Option<Refusal> {
    if pool.id == other.id || pool.namespace() != other.namespace() {
        return None;
    }
    let theirs: Vec<IpAddr> = sources(other).map(|(_, address)| address).collect();
    let (field, address) = sources(pool).find(|(_, address)| theirs.contains(address))?;
    let what = if field == VIP { "VIP" } else { "source address" };
    let is_vip = other.vip.as_ref().is_some_and(|vip| vip.address == address);
    let of = if is_vip { "that" } else { "a source address" };
    Some(Refusal {
        field,
        text: format!("the {what} {address} is also {of} of pool {}", other.id),
        alternative: format!("give each pool its own {what}, or leave them on HAProxy"),
    })
}

const VIP: &str = "vip.address";

/// The addresses that members see as the source, and the fields they stand in.
fn sources(pool: &PoolSpec) -> impl Iterator<Item = (&'static str, IpAddr)> {
    let vip = pool.vip.iter().map(|vip| (VIP, vip.address));
    vip.chain(pool.snat_addresses.iter().map(|address| ("snat_addresses", *address)))
}

fn refusals(pool: &PoolSpec) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let mut refuse = |field, text: String, alternative: &str| {
        refusals.push(Refusal { field, text, alternative: alternative.to_owned() });
    };
    match &pool.vip {
        None => refuse("vip", "the pool has no VIP".to_owned(), "add a VIP, or leave the pool out"),
        Some(vip) => {
            if vip.address.is_ipv6() {
                let text = format!("the VIP {} is IPv6", vip.address);
                refuse(VIP, text, "use an IPv4 VIP and members, or leave the pool on HAProxy");
            }
        }
    }
    let cookie = match &pool.session_persistence {
        None | Some(SessionPersistence::SourceIp { .. }) => None,
        Some(SessionPersistence::HttpCookie) => Some("HTTP_COOKIE"),
        Some(SessionPersistence::AppCookie { .. }) => Some("APP_COOKIE"),
    };
    if let Some(cookie) = cookie {
        refuse(
            "session_persistence",
            format!("{cookie} persistence is not served"),
            "use SOURCE_IP, remove it if any member can take any connection, or leave the pool on \
             HAProxy",
        );
    }
    if let Some(vip) = &pool.vip
        && let Some(member) = pool.members.iter().find(|member| member.address == vip.address)
    {
        let text = format!(
            "the member {} is at the VIP {}, where it would connect to itself",
            member.id, vip.address
        );
        refuse("members", text, "give the member's own address");
    }
    if pool.members.len() > MAX_MEMBERS {
        let text = format!("{} members are more than {MAX_MEMBERS}", pool.members.len());
        refuse("members", text, "spread the members over several pools");
    }
    if let Some((name, _)) = pool.timeouts.named().iter().find(|(_, millis)| *millis == 0) {
        let text = format!("a {name} timeout of 0 (never) would keep dead connections forever");
        refuse("timeouts", text, "write up to 2073600000 ms, which is 24 days");
    }
    if pool.vip.is_none() {
        refusals.extend(pool.members.iter().find_map(|member| unserved_address(member.address)));
    }
    refusals
}
