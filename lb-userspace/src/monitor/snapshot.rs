//! What is known of the members of a pool, as it is handed on and recorded.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::result::Outcome;

/// What the monitors of a pool have found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolHealth {
    /// Members that are probed, by id.
    pub members: BTreeMap<String, MemberHealth>,
}

impl PoolHealth {
    /// Whether the monitors find the member down; one that is not probed is not.
    pub fn is_down(&self, member: &str) -> bool {
        self.members.get(member).is_some_and(|known| !known.up)
    }
}

/// What is known of one member. Of several monitors that one is shown for which it is least well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberHealth {
    /// Where the member takes connections: the same id elsewhere is another member.
    pub endpoint: SocketAddr,
    /// Whether it is up for all monitors.
    pub up: bool,
    /// The state in HAProxy's words: `UP`, `UP 2/3`, `DOWN`, `DOWN 1/2`.
    pub state: String,
    /// Type of the monitor that is shown.
    pub monitor: String,
    /// End of its last probe; none before the first.
    pub last: Option<Outcome>,
    /// Failed probes, but for those while it was down (`chkfail`).
    pub checks_failed: u64,
    /// How often it went down (`chkdown`).
    pub down_transitions: u64,
    /// When it last went up or down, or was first probed, in milliseconds since 1970.
    pub last_change: u64,
    /// Its level for each monitor ([`super::Health::level`]).
    pub levels: Vec<u8>,
}

/// A member that went up or down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Its id.
    pub member: String,
    /// Whether it is up now.
    pub up: bool,
    /// The probe that turned it.
    pub outcome: Outcome,
}

/// News of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// Id of the pool.
    pub pool: String,
    /// What is known of all its members now.
    pub health: PoolHealth,
    /// Who went up or down since the last news, in order.
    pub turned: Vec<Turn>,
}
