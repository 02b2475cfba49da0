//! Lines about proxies and servers rather than connections, in HAProxy's words.

use std::collections::HashMap;

use crate::config::model::Level;
use crate::haproxy::stats::{Member, Snapshot};

/// A line and how much it matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    pub(super) level: Level,
    pub(super) text: String,
}

/// What was said of a pool's members last.
#[derive(Debug, Default)]
pub(super) struct Herald {
    /// Whether a member is up, by its id; none before the first look.
    up: Option<HashMap<String, bool>>,
}

/// A pool begins to be served.
pub(super) fn started(pool: &Snapshot) -> Vec<Notice> {
    let line =
        |proxy: &str| Notice { level: Level::NOTICE, text: format!("Proxy {proxy} started.") };
    vec![line(&pool.frontend), line(&pool.backend)]
}

/// A pool is not served any more.
pub(super) fn stopped(pool: &Snapshot) -> Vec<Notice> {
    let total = pool.load.total + pool.refused;
    let line = |proxy: &str, front: u64, back: u64| Notice {
        level: Level::WARNING,
        text: format!("Proxy {proxy} stopped (cumulated conns: FE: {front}, BE: {back})."),
    };
    vec![line(&pool.frontend, total, 0), line(&pool.backend, 0, total)]
}

impl Herald {
    /// Says what has become of members since the last look, once. The first look says who is down.
    pub(super) fn look(&mut self, pool: &Snapshot) -> Vec<Notice> {
        let present = pool.members.iter().filter(|member| !member.removed && member.admin_state_up);
        let up: HashMap<String, bool> =
            present.clone().map(|member| (member.id.clone(), !member.down)).collect();
        let was_up = |member: &Member| {
            let before = self.up.as_ref().and_then(|before| before.get(&member.id));
            before.copied().unwrap_or(true)
        };
        let mut notices: Vec<Notice> = Vec::new();
        let mut lost = false;
        for member in present {
            match (was_up(member), !member.down) {
                (true, false) => {
                    notices.push(down(pool, member));
                    lost = true;
                }
                (false, true) => notices.push(back(pool, member)),
                (true, true) | (false, false) => {}
            }
        }
        if lost && left(pool) == (0, 0) {
            // HAProxy shouts this as an emergency, which goes to every terminal of the machine.
            let text = format!("backend {} has no server available!", pool.backend);
            notices.push(Notice { level: Level::ALERT, text });
        }
        self.up = Some(up);
        notices
    }
}

/// Members that take connections, and backups that would.
fn left(pool: &Snapshot) -> (usize, usize) {
    let count = |backup| {
        pool.members.iter().filter(|member| member.is_usable() && member.backup == backup).count()
    };
    (count(false), count(true))
}

fn down(pool: &Snapshot, member: &Member) -> Notice {
    let (active, backup) = left(pool);
    let text = format!(
        "Server {}/{} is DOWN{}. {active} active and {backup} backup servers left. {} sessions active, 0 requeued, 0 remaining in queue.",
        pool.backend,
        member.id,
        reason(member),
        member.load.active,
    );
    Notice { level: Level::ALERT, text }
}

fn back(pool: &Snapshot, member: &Member) -> Notice {
    let (active, backup) = left(pool);
    let text = format!(
        "Server {}/{} is UP{}. {active} active and {backup} backup servers online. 0 sessions requeued, 0 total in queue.",
        pool.backend,
        member.id,
        reason(member),
    );
    Notice { level: Level::NOTICE, text }
}

/// What the check found; nothing if nobody checks.
fn reason(member: &Member) -> String {
    let Some(check) = member.health.as_ref().and_then(|health| health.check.as_ref()) else {
        return String::new();
    };
    let code = check.code.map(|code| format!(", code: {code}")).unwrap_or_default();
    let info = match check.info.as_str() {
        "" => String::new(),
        info => format!(", info: \"{info}\""),
    };
    let millis = check.duration.as_millis();
    format!(", reason: {}{code}{info}, check duration: {millis}ms", describe(&check.status))
}

/// HAProxy's words for the codes of checks.
fn describe(status: &str) -> &str {
    match status {
        "INI" => "Initializing",
        "SOCKERR" => "Socket error",
        "L4OK" => "Layer4 check passed",
        "L4TOUT" => "Layer4 timeout",
        "L4CON" => "Layer4 connection problem",
        "L6OK" => "Layer6 check passed",
        "L6TOUT" => "Layer6 timeout",
        "L6RSP" => "Layer6 invalid response",
        "L7OK" => "Layer7 check passed",
        "L7TOUT" => "Layer7 timeout",
        "L7RSP" => "Layer7 invalid response",
        "L7STS" => "Layer7 wrong status",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::haproxy::health::{Check, Health};

    fn member(id: &str, down: bool) -> Member {
        Member { id: id.into(), weight: 1, admin_state_up: true, down, ..Member::default() }
    }

    fn said(herald: &mut Herald, members: Vec<Member>) -> Vec<(u8, String)> {
        let pool = Snapshot { backend: "be".into(), members, ..Snapshot::default() };
        let notices = herald.look(&pool).into_iter();
        notices.map(|notice| (notice.level.number(), notice.text)).collect()
    }

    #[test]
    fn what_becomes_of_members_is_said_once() {
        let mut herald = Herald::default();
        let check = Check {
            status: "L4CON".into(),
            code: None,
            duration: Duration::ZERO,
            info: "Connection refused".into(),
        };
        let health = |state: &str, check| Health {
            state: state.into(),
            since: Duration::ZERO,
            failures: 1,
            downs: 1,
            check: Some(check),
        };
        let refused = Member { health: Some(health("DOWN", check.clone())), ..member("m1", true) };
        assert_eq!(said(&mut herald, vec![member("m1", false), member("m2", false)]), []);
        let down = "Server be/m1 is DOWN, reason: Layer4 connection problem, info: \"Connection refused\", check duration: 0ms. 1 active and 0 backup servers left. 0 sessions active, 0 requeued, 0 remaining in queue.";
        assert_eq!(
            said(&mut herald, vec![refused.clone(), member("m2", false)]),
            [(1, down.to_owned())]
        );
        assert_eq!(said(&mut herald, vec![refused.clone(), member("m2", false)]), []);
        let lines = said(&mut herald, vec![refused, member("m2", true)]);
        assert_eq!(
            lines[0].1,
            "Server be/m2 is DOWN. 0 active and 0 backup servers left. 0 sessions active, 0 requeued, 0 remaining in queue."
        );
        assert_eq!(lines[1], (1, "backend be has no server available!".to_owned()));
        let found = Check { status: "L7OK".into(), code: Some(200), info: String::new(), ..check };
        let up = Member { health: Some(health("UP", found)), ..member("m1", false) };
        let back = "Server be/m1 is UP, reason: Layer7 check passed, code: 200, check duration: 0ms. 1 active and 0 backup servers online. 0 sessions requeued, 0 total in queue.";
        assert_eq!(said(&mut herald, vec![up, member("m2", true)]), [(5, back.to_owned())]);
    }

    #[test]
    fn proxies_start_and_stop() {
        let pool = Snapshot {
            frontend: "fe".into(),
            backend: "be".into(),
            refused: 1,
            load: crate::haproxy::stats::Load { total: 5, ..Default::default() },
            ..Snapshot::default()
        };
        let text = |notices: Vec<Notice>| notices.into_iter().map(|it| it.text).collect::<Vec<_>>();
        assert_eq!(text(started(&pool)), ["Proxy fe started.", "Proxy be started."]);
        let stopped = text(stopped(&pool));
        assert_eq!(stopped[0], "Proxy fe stopped (cumulated conns: FE: 6, BE: 0).");
        assert_eq!(stopped[1], "Proxy be stopped (cumulated conns: FE: 0, BE: 6).");
    }
}
