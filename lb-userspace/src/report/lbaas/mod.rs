//! What the LBaaS APIs would say of a pool: statuses by the rules of LBaaS v1, v2 and Octavia, and their statistics.
//!
//! The rules are those of the APIs' own code: v1 and v2 of neutron-lbaas as HAProxy's driver fed them, Octavia's as its
//! amphora does.

mod rules;

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

pub use rules::{Facts, MemberFacts, Seen};
use rules::{Octavia, V1, V2};

/// The statuses of a pool in each API, and what all of them count.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Lbaas {
    v1: ApiV1,
    v2: ApiV2,
    octavia: ApiOctavia,
    statistics: Statistics,
}

/// The four numbers of LBaaS and Octavia's fifth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Statistics {
    /// Payload of clients.
    pub bytes_in: u64,
    /// Payload of members.
    pub bytes_out: u64,
    /// Connections that have not ended.
    pub active_connections: u64,
    /// Connections that a member was given.
    pub total_connections: u64,
    /// Connections that nobody served: refused for want of a member, port or room, or not accepted by any.
    pub request_errors: u64,
}

/// Statuses of LBaaS v1.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct ApiV1 {
    vip: V1,
    pool: V1,
    members: BTreeMap<String, V1>,
}

/// Statuses of LBaaS v2.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct ApiV2 {
    loadbalancer: Pair<V2>,
    listener: Pair<V2>,
    pool: Pair<V2>,
    members: BTreeMap<String, Pair<V2>>,
}

/// Statuses of Octavia.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct ApiOctavia {
    loadbalancer: Pair<Octavia>,
    listener: Pair<Octavia>,
    pool: Pair<Octavia>,
    members: BTreeMap<String, Pair<Octavia>>,
}

/// Both statuses of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
struct Pair<S> {
    provisioning_status: &'static str,
    operating_status: S,
}

impl Lbaas {
    /// The statistics.
    pub const fn statistics(&self) -> Statistics {
        self.statistics
    }
}

/// The statuses of a pool.
pub fn lbaas(facts: &Facts, statistics: Statistics) -> Lbaas {
    let provisioning_status = facts.provisioning();
    fn pair<S>(provisioning_status: &'static str, operating_status: S) -> Pair<S> {
        Pair { provisioning_status, operating_status }
    }
    let named = |member: &MemberFacts| member.id.clone();
    let members = &facts.members;
    Lbaas {
        v1: ApiV1 {
            vip: facts.v1(),
            pool: facts.v1(),
            members: members.iter().map(|member| (named(member), member.v1())).collect(),
        },
        v2: ApiV2 {
            loadbalancer: pair(provisioning_status, facts.v2_above()),
            listener: pair(provisioning_status, facts.v2_listener()),
            pool: pair(provisioning_status, facts.v2_pool()),
            members: members
                .iter()
                .map(|member| (named(member), pair(provisioning_status, member.v2())))
                .collect(),
        },
        octavia: ApiOctavia {
            loadbalancer: pair(provisioning_status, facts.octavia_above()),
            listener: pair(provisioning_status, facts.octavia_listener()),
            pool: pair(provisioning_status, facts.octavia_pool()),
            members: members
                .iter()
                .map(|member| (named(member), pair(provisioning_status, member.octavia())))
                .collect(),
        },
        statistics,
    }
}
