//! A pool at one moment: all that its rows say.

use crate::haproxy::health::Health;

/// A pool, its listener and its members.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Id of the VIP; the frontend.
    pub frontend: String,
    /// Id of the pool; the backend.
    pub backend: String,
    /// `tcp` or `http`.
    pub mode: &'static str,
    /// Whether the VIP serves anybody. HAProxy shows no frontend that is disabled, and so on.
    pub vip_enabled: bool,
    /// Whether the pool serves anybody.
    pub pool_enabled: bool,
    /// Most connections at once.
    pub limit: u64,
    /// Connections at once.
    pub load: Load,
    /// Payload of members that are no more, to be added to that of those that are.
    pub past: Payload,
    /// Connections that no member was asked to take.
    pub refused: u64,
    /// Connections that their last member did not accept.
    pub failed: u64,
    /// Connections given to another member because one did not accept.
    pub redispatched: u64,
    /// SYNs of clients that are not served.
    pub denied: u64,
    /// Whether somebody counts how connections end; else what only that tells is not known.
    pub tallied: bool,
    /// The members, removed ones last.
    pub members: Vec<Member>,
}

/// Connections over time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// At this moment.
    pub active: u64,
    /// Most at once that somebody has seen.
    pub peak: u64,
    /// Since the pool is served.
    pub total: u64,
    /// In the last second.
    pub rate: u64,
    /// Most in a second.
    pub rate_peak: u64,
}

/// Bytes that clients and members have sent each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    /// From clients.
    pub bytes_in: u64,
    /// From members.
    pub bytes_out: u64,
}

/// How connections have ended, by events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Not accepted, and the client had no other member.
    pub failed: u64,
    /// Not accepted, and given to another member.
    pub redispatched: u64,
    /// Broken off by the client, or because it was silent for too long.
    pub client_aborts: u64,
    /// Broken off by the member, or because it was silent for too long.
    pub server_aborts: u64,
    /// Broken off by the member.
    pub response_errors: u64,
}

/// A member.
#[derive(Clone, Debug, Default)]
pub struct Member {
    /// Its id; the server.
    pub id: String,
    /// Its weight.
    pub weight: u16,
    /// Whether it is a backup.
    pub backup: bool,
    /// Its admin state.
    pub admin_state_up: bool,
    /// Whether it was marked down.
    pub down: bool,
    /// Whether it is no longer of the pool; HAProxy would not show it.
    pub removed: bool,
    /// Most connections at once.
    pub limit: Option<u32>,
    /// What its monitor finds; none if it has none.
    pub health: Option<Health>,
    /// Connections at once.
    pub load: Load,
    /// Payload.
    pub payload: Payload,
    /// Connections that it did not accept.
    pub failed: u64,
    /// How its connections have ended.
    pub tally: Tally,
}

impl Member {
    /// What `show stat` calls its state.
    pub fn status(&self) -> &str {
        match &self.health {
            _ if !self.admin_state_up => "MAINT",
            Some(health) if health.is_up() != self.down => &health.state,
            _ if self.down => "DOWN",
            Some(health) => &health.state,
            None => "no check",
        }
    }

    /// Whether it would take a connection if it were its turn.
    pub fn is_usable(&self) -> bool {
        self.admin_state_up && !self.down && !self.removed && self.weight > 0
    }
}

impl Snapshot {
    /// What clients and members have sent each other.
    pub fn payload(&self) -> Payload {
        self.members.iter().fold(self.past, |sum, member| Payload {
            bytes_in: sum.bytes_in + member.payload.bytes_in,
            bytes_out: sum.bytes_out + member.payload.bytes_out,
        })
    }

    /// Connections that nobody served.
    pub const fn errors(&self) -> u64 {
        self.refused + self.failed
    }

    /// How the connections of all members have ended; none if nobody counts that.
    pub fn tally(&self) -> Option<Tally> {
        let sum = |sum: Tally, member: &Member| Tally {
            failed: sum.failed + member.tally.failed,
            redispatched: sum.redispatched + member.tally.redispatched,
            client_aborts: sum.client_aborts + member.tally.client_aborts,
            server_aborts: sum.server_aborts + member.tally.server_aborts,
            response_errors: sum.response_errors + member.tally.response_errors,
        };
        self.tallied.then(|| self.members.iter().fold(Tally::default(), sum))
    }
}
