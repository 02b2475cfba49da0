//! What this version's datapath serves. The import is faithful to HAProxy; this is where
//! qlb says what it can do with the result today.

mod notices;

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use lb_common::state::MAX_MEMBERS;

use super::model::{MemberSpec, Mode, PoolSpec, SessionPersistence};
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
    let shared = |other| shared_address(pool, other).or_else(|| shared_member(pool, other));
    refusals.extend(others.into_iter().find_map(shared));
    if refusals.is_empty() { Ok(notices(pool)) } else { Err(refusals) }
}

/// Says why no pool can have a VIP or member at `address`, if that is so: no packet has an address that
/// stands for one of IPv4 (RFC 4291 section 2.5.5.2).
pub fn unserved_address(field: &'static str, address: IpAddr) -> Option<Refusal> {
    let IpAddr::V6(v6) = address else { return None };
    let mapped = v6.to_ipv4_mapped()?;
    Some(Refusal {
        field,
        text: format!("{address} is the IPv4 address {mapped} written as IPv6"),
        alternative: format!("write {mapped}"),
    })
}

/// The pools at a device hand out the NAT ports of its addresses together, and those at one VIP are at one device. Others
/// may not be, so they cannot share an address, unless one is of TCP and the other of UDP: their ports have nothing
/// to do with each other.
fn shared_address(pool: &PoolSpec, other: &PoolSpec) -> Option<Refusal> {
    let same_ports = pool.protocol.is_udp() == other.protocol.is_udp();
    if pool.id == other.id || !same_ports || pool.namespace() != other.namespace() {
        return None;
    }
    if let (Some(vip), Some(theirs)) = (&pool.vip, &other.vip)
        && vip.address == theirs.address
    {
        return (vip.port == theirs.port).then(|| Refusal {
            field: VIP,
            text: format!(
                "port {} of the VIP {} is also that of pool {}",
                vip.port, vip.address, other.id
            ),
            alternative: "give each pool a port of its own, or another VIP".to_owned(),
        });
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

/// What a member answers to a client says nothing of the VIP, if the client is all that it sees.
fn shared_member(pool: &PoolSpec, other: &PoolSpec) -> Option<Refusal> {
    let apart = pool.id == other.id || pool.namespace() != other.namespace();
    if apart || (pool.mode, other.mode) != (Mode::Dnat, Mode::Dnat) {
        return None;
    }
    let end = |member: &MemberSpec| (member.address, member.port);
    let theirs: Vec<_> = other.members.iter().map(end).collect();
    let member = pool.members.iter().find(|member| theirs.contains(&end(member)))?;
    let (address, port) = end(member);
    Some(Refusal {
        field: "members",
        text: format!(
            "{} is also a member of pool {}, and with `mode: dnat` its answers could be of either",
            SocketAddr::new(address, port.get()),
            other.id
        ),
        alternative: "let it listen on another port, or write `mode: nat` in one of the two"
            .to_owned(),
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
    if let Some(vip) = &pool.vip {
        refusals.extend(unserved_address(VIP, vip.address));
    }
    let mut refuse = |field, text: String, alternative: &str| {
        refusals.push(Refusal { field, text, alternative: alternative.to_owned() });
    };
    if pool.vip.is_none() {
        refuse("vip", "the pool has no VIP".to_owned(), "add a VIP, or leave the pool out");
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
    let members = pool.members.iter();
    refusals
        .extend(members.filter_map(|member| unserved_address("members", member.address)).next());
    refusals
}
