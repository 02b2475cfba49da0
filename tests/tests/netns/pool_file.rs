//! The YAML an operator writes, for the pools of these tests.

use std::fmt::Write as _;
use std::net::SocketAddr;

use lb_tests::topology::PoolNet;

pub(crate) const ROUND_ROBIN: &str = "ROUND_ROBIN";
pub(crate) const LEAST_CONNECTIONS: &str = "LEAST_CONNECTIONS";
pub(crate) const SOURCE_IP: &str = "SOURCE_IP";
pub(crate) const SOURCE_IP_PORT: &str = "SOURCE_IP_PORT";

/// A pool as declared. Members are m1, m2 and so on.
#[derive(Clone, Debug)]
pub(crate) struct PoolFile {
    pub(crate) id: String,
    pub(crate) namespace: String,
    pub(crate) protocol: &'static str,
    pub(crate) vip: SocketAddr,
    pub(crate) method: &'static str,
    pub(crate) members: Vec<MemberLine>,
    /// Milliseconds by name.
    pub(crate) timeouts: Vec<(&'static str, u32)>,
    /// More fields of the VIP, and of the pool; each a line of YAML.
    pub(crate) vip_fields: Vec<String>,
    pub(crate) fields: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct MemberLine {
    pub(crate) address: SocketAddr,
    pub(crate) weight: u32,
    pub(crate) admin_state_up: bool,
    /// Other keys, each behind a comma.
    pub(crate) more: &'static str,
}

impl PoolFile {
    /// The pool of `net` with as many of its members as there are weights.
    pub(crate) fn of(net: &PoolNet, method: &'static str, weights: &[u32]) -> Self {
        let member = |(index, weight): (usize, &u32)| MemberLine {
            address: net.member_socket(index),
            weight: *weight,
            admin_state_up: true,
            more: "",
        };
        Self {
            id: net.pool.id.to_owned(),
            namespace: net.pool.namespace(),
            protocol: "TCP",
            vip: net.pool.vip,
            method,
            members: weights.iter().enumerate().map(member).collect(),
            timeouts: Vec::new(),
            vip_fields: Vec::new(),
            fields: Vec::new(),
        }
    }

    /// The same pool with another identity, on another port of the same VIP.
    pub(crate) fn at(mut self, id: &str, port: u16) -> Self {
        id.clone_into(&mut self.id);
        self.vip.set_port(port);
        self
    }

    /// The same pool of UDP members, with `port` everywhere.
    pub(crate) fn udp(mut self, port: u16) -> Self {
        self.protocol = "UDP";
        self.vip.set_port(port);
        self.members.iter_mut().for_each(|member| member.address.set_port(port));
        self
    }

    pub(crate) fn timeouts(mut self, timeouts: &[(&'static str, u32)]) -> Self {
        self.timeouts = timeouts.to_vec();
        self
    }
}

/// The file that declares these pools.
pub(crate) fn yaml(pools: &[PoolFile]) -> String {
    let mut text = String::from("pools:\n");
    for pool in pools {
        let (id, vip) = (&pool.id, pool.vip);
        let PoolFile { namespace, protocol, .. } = pool;
        write!(text, "- id: {id}\n  namespace: {namespace}\n  protocol: {protocol}\n").unwrap();
        writeln!(text, "  lb_method: {}", pool.method).unwrap();
        writeln!(
            text,
            "  vip:\n    id: {id}-vip\n    address: {}\n    port: {}",
            vip.ip(),
            vip.port()
        )
        .unwrap();
        pool.vip_fields.iter().for_each(|field| writeln!(text, "    {field}").unwrap());
        pool.fields.iter().for_each(|field| writeln!(text, "  {field}").unwrap());
        if !pool.timeouts.is_empty() {
            text.push_str("  timeouts:\n");
        }
        for (name, milliseconds) in &pool.timeouts {
            writeln!(text, "    {name}: {milliseconds}").unwrap();
        }
        text.push_str("  members:\n");
        for (index, member) in pool.members.iter().enumerate() {
            let MemberLine { address, weight, admin_state_up, more } = member;
            writeln!(
                text,
                "  - {{id: m{}, address: {}, port: {}, weight: {weight}, \
                 admin_state_up: {admin_state_up}{more}}}",
                index + 1,
                address.ip(),
                address.port(),
            )
            .unwrap();
        }
    }
    text
}
