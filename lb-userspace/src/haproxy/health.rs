//! What monitors find, as HAProxy shows it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::monitor::MemberHealth;

/// How a member is, by its monitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// `UP`, `UP 1/3` (two more failures take it down), `DOWN`, `DOWN 1/2` (one more success takes it up).
    pub state: String,
    /// How long it has been up or down.
    pub since: Duration,
    /// Checks that failed while it was up.
    pub failures: u64,
    /// How often it went down.
    pub downs: u64,
    /// What the last check found; none before the first.
    pub check: Option<Check>,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// HAProxy's code: `L4OK`, `L4CON`, `L4TOUT`, `L6RSP`, `L7OK`, `L7STS` and so on (manual, 9.1 `check_status`).
    pub status: String,
    /// The status of an HTTP answer.
    pub code: Option<u16>,
    /// How long it took.
    pub duration: Duration,
    /// What the system or the member said, such as `Connection refused`.
    pub info: String,
}

impl Health {
    /// What is known of a member, at this moment.
    pub fn of(known: &MemberHealth) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            state: known.state.clone(),
            since: now.saturating_sub(Duration::from_millis(known.last_change)),
            failures: known.checks_failed,
            downs: known.down_transitions,
            check: known.last.as_ref().map(|last| Check {
                status: last.status.code().to_owned(),
                code: last.code,
                duration: Duration::from_millis(last.duration_ms),
                info: last.info.clone(),
            }),
        }
    }

    /// Whether it takes connections.
    pub fn is_up(&self) -> bool {
        self.state.starts_with("UP")
    }
}
