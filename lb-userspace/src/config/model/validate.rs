//! The rules between fields, for YAML and import alike. Each violation names the field, so
//! that the caller can find its place in the text.

mod clients;
mod mode;

mod monitor;
mod snat;
mod udp;

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use super::host::not_a_host;
use super::{Failover, PoolSpec, SessionPersistence, Timeouts, VipSpec};
use crate::config::field::FieldPath;

/// A rule that the pools break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The field that has to change.
    pub path: FieldPath,
    /// What is wrong with it.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

/// Every broken rule, in the order of the pools.
pub fn validate(pools: &[PoolSpec]) -> Vec<Violation> {
    let mut check = Check::default();
    let mut seen = Seen::default();
    for (index, pool) in pools.iter().enumerate() {
        let path = FieldPath::pool(index);
        check.unique_across_pools(&path, pool, &mut seen);
        check.names(&path, pool);
        if let Some(vip) = &pool.vip {
            check.host(path.key("vip").key("address"), vip.address);
            check.allowed(&path.key("vip").key("allowed_cidrs"), vip);
            check.granularity(&path, pool, vip);
        }
        check.members(&path, pool);
        check.snat_addresses(&path, pool);
        check.mode(&path, pool);
        check.timeouts(&path, pool.timeouts);
        check.failover(&path, pool.failover);
        check.millis(path.key("drain_timeout"), pool.drain_timeout, "0 means never");
        check.udp(&path, pool);
        check.monitors(&path, pool);
    }
    check.violations
}

#[derive(Default)]
struct Seen {
    pools: HashSet<String>,
    vips: HashSet<String>,
    listeners: HashMap<(String, IpAddr, u16, bool), String>,
}

#[derive(Default)]
struct Check {
    violations: Vec<Violation>,
}

impl Check {
    fn fail(&mut self, path: FieldPath, message: String, help: impl Into<String>) {
        self.violations.push(Violation { path, message, help: help.into() });
    }

    fn unique_across_pools(&mut self, path: &FieldPath, pool: &PoolSpec, seen: &mut Seen) {
        if !seen.pools.insert(pool.id.to_string()) {
            let message = format!("pool id `{}` is used twice", pool.id);
            self.fail(
                path.key("id"),
                message,
                "give each pool its own id, or remove one of the two",
            );
        }
        let Some(vip) = &pool.vip else { return };
        if !seen.vips.insert(vip.id.to_string()) {
            let message = format!("VIP id `{}` is used twice", vip.id);
            self.fail(
                path.key("vip").key("id"),
                message,
                "a VIP belongs to one pool: give this one its own id",
            );
        }
        let is_udp = pool.protocol.is_udp();
        let listener = (pool.namespace(), vip.address, vip.port.get(), is_udp);
        if let Some(other) = seen.listeners.get(&listener) {
            let message = format!(
                "VIP {} port {} is already served by pool `{other}` in namespace {}",
                vip.address, vip.port, listener.0
            );
            self.fail(
                path.key("vip"),
                message,
                "use another address, port or namespace for one of the two",
            );
        } else {
            seen.listeners.insert(listener, pool.id.to_string());
        }
    }

    fn names(&mut self, path: &FieldPath, pool: &PoolSpec) {
        let control = |text: &str| text.chars().any(char::is_control);
        if pool.name.as_deref().is_some_and(control) {
            let message = "the name has a control character".to_owned();
            self.fail(path.key("name"), message, "write the name on one line of plain text");
        }
        if let Some(namespace) = &pool.namespace
            && !is_file_name(namespace)
        {
            let message = format!("`{namespace}` cannot name a network namespace");
            let help =
                "write a name as `ip netns list` shows it: up to 255 bytes, no space and no `/`";
            self.fail(path.key("namespace"), message, help);
        }
        if let Some(SessionPersistence::AppCookie { cookie_name }) = &pool.session_persistence
            && !is_token(cookie_name)
        {
            let message = format!("`{cookie_name}` cannot name a cookie");
            let help = "write up to 255 letters, digits and punctuation, without spaces (RFC 6265)";
            self.fail(path.key("session_persistence").key("cookie_name"), message, help);
        }
    }

    fn members(&mut self, path: &FieldPath, pool: &PoolSpec) {
        let mut ids = HashSet::new();
        let mut endpoints = HashMap::new();
        let (family_of, family) = match (&pool.vip, pool.members.first()) {
            (Some(vip), _) => ("its VIP", Some(vip.address)),
            (None, first) => ("its first member", first.map(|member| member.address)),
        };
        for (index, member) in pool.members.iter().enumerate() {
            let at = path.key("members").index(index);
            if !ids.insert(&member.id) {
                let message =
                    format!("member id `{}` is used twice in pool `{}`", member.id, pool.id);
                self.fail(
                    at.key("id"),
                    message,
                    "give each member its own id, or remove one of the two",
                );
            }
            let endpoint = (member.address, member.port);
            if let Some(other) = endpoints.insert(endpoint, &member.id) {
                let message = format!(
                    "member `{}` has the address and port of member `{other}`: {} port {}",
                    member.id, member.address, member.port
                );
                self.fail(
                    at.clone(),
                    message,
                    "remove one of the two; use weight to give a member a larger share",
                );
            }
            self.host(at.key("address"), member.address);
            self.millis(at.key("slow_start"), member.slow_start, "0 means at once");
            if family.is_some_and(|address| address.is_ipv4() != member.address.is_ipv4()) {
                let message = format!(
                    "member `{}` is {} but {family_of} is not",
                    member.id,
                    family_name(member.address)
                );
                self.fail(
                    at.key("address"),
                    message,
                    "use one address family for the VIP and all members of a pool",
                );
            }
            self.monitored(&at, member, family);
            if pool.vip.as_ref().is_some_and(|vip| is_itself(vip, endpoint)) {
                let message =
                    format!("member `{}` is the VIP itself, so connections would loop", member.id);
                self.fail(at, message, "write the address and port of the server behind the VIP");
            }
        }
    }

    fn host(&mut self, path: FieldPath, address: IpAddr) {
        if let Some(what) = not_a_host(address) {
            let message = format!("{address} is {what}, not the address of one host");
            self.fail(path, message, "write the address that other hosts reach it at");
        }
    }

    fn timeouts(&mut self, path: &FieldPath, timeouts: Timeouts) {
        for (name, value) in timeouts.named() {
            self.millis(path.key("timeouts").key(name), value, "0 means never");
        }
    }

    fn millis(&mut self, path: FieldPath, value: u32, zero: &str) {
        if value > Timeouts::MAX {
            let message = format!("{value} ms is above {} ms, which is 24 days", Timeouts::MAX);
            self.fail(path, message, format!("write milliseconds; {zero}"));
        }
    }

    fn failover(&mut self, path: &FieldPath, failover: Failover) {
        for (name, value, most) in failover.named() {
            if value > most {
                let message = format!("{name} {value} is above {most}");
                self.fail(path.key("failover").key(name), message, "write a smaller number");
            }
        }
    }
}

fn is_itself(vip: &VipSpec, endpoint: (IpAddr, super::Port)) -> bool {
    (vip.address, vip.port) == endpoint
}

fn family_name(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "IPv4" } else { "IPv6" }
}

fn is_file_name(text: &str) -> bool {
    let plain = |c: char| !c.is_control() && !c.is_whitespace() && c != '/';
    !matches!(text, "" | "." | "..") && text.len() <= 255 && text.chars().all(plain)
}

fn is_token(text: &str) -> bool {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    (1..=255).contains(&text.len()) && text.bytes().all(token)
}
