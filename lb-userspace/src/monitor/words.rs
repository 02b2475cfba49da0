//! What is said of a member that turned, in HAProxy's words.

use std::fmt::Write as _;

use super::result::Outcome;

/// How a pool stands after a change of one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standings {
    /// Members that take connections and are no backups.
    pub active: usize,
    /// Backups that could.
    pub backup: usize,
    /// Connections of the member that changed.
    pub sessions: u32,
}

/// The line for a member of `pool` that is `up` now, or down, because of the probe's `outcome`.
pub fn transition(
    pool: &str,
    member: &str,
    is_backup: bool,
    up: bool,
    outcome: &Outcome,
    now: Standings,
) -> String {
    let mut line = String::new();
    let kind = if is_backup { "Backup " } else { "" };
    let state = if up { "UP" } else { "DOWN" };
    let reason = outcome.status.describe();
    let _ = write!(line, "{kind}Server {pool}/{member} is {state}, reason: {reason}");
    if let Some(code) = outcome.code {
        let _ = write!(line, ", code: {code}");
    }
    if !outcome.info.is_empty() {
        let _ = write!(line, ", info: \"{}\"", outcome.info);
    }
    let Standings { active, backup, sessions } = now;
    let on_backup = if active == 0 && backup > 0 { " Running on backup." } else { "" };
    let _ = write!(line, ", check duration: {}ms", outcome.duration_ms);
    // qlb keeps no queues.
    let _ = if up {
        write!(
            line,
            ". {active} active and {backup} backup servers online.{on_backup} 0 sessions requeued, 0 total in queue."
        )
    } else {
        write!(
            line,
            ". {active} active and {backup} backup servers left.{on_backup} {sessions} sessions active, 0 requeued, 0 remaining in queue."
        )
    };
    line
}

/// The line for a pool that has lost its last member.
pub fn all_down(pool: &str) -> String {
    format!("backend {pool} has no server available!")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::CheckStatus;

    #[test]
    fn lines_are_haproxys() {
        let refused = Outcome::of(CheckStatus::L4Con, "Connection refused");
        let one = Standings { active: 1, backup: 0, sessions: 2 };
        assert_eq!(
            transition("p", "m2", false, false, &refused, one),
            "Server p/m2 is DOWN, reason: Layer4 connection problem, info: \"Connection refused\", check \
             duration: 0ms. 1 active and 0 backup servers left. 2 sessions active, 0 requeued, 0 remaining \
             in queue."
        );
        let page =
            Outcome { code: Some(200), duration_ms: 3, ..Outcome::of(CheckStatus::L7Ok, "") };
        let backup = Standings { active: 0, backup: 1, sessions: 0 };
        assert_eq!(
            transition("p", "m3", true, true, &page, backup),
            "Backup Server p/m3 is UP, reason: Layer7 check passed, code: 200, check duration: 3ms. 0 active \
             and 1 backup servers online. Running on backup. 0 sessions requeued, 0 total in queue."
        );
    }
}
