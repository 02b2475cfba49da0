//! Slow start: a member that joins a served pool, or comes up again, gets its share little by little.
//!
//! In sixteenths, as HAProxy does it (HAProxy manual, 5.2 `slowstart`): weight and `max_connections`
//! grow together, and the start of the service holds nobody back. Methods that send
//! a client to its own member give the whole share at once, there as here.

use lb_common::state::{Method, WEIGHT_ONE};
use nix::time::ClockId;

use crate::config::model::MemberSpec;
use crate::node::clock;
use crate::registry::{MemberRecord, Served};

/// All of a member's share.
pub(super) const WHOLE: u32 = WEIGHT_ONE;

/// Milliseconds since the machine started, which is as long as records live. If nobody knows,
/// time stands still.
pub(super) fn now() -> u64 {
    clock(ClockId::CLOCK_BOOTTIME).map_or(0, |since| since.as_millis() as u64)
}

/// Brings the record of a member up to date: whether it is up, since when, and its share now.
pub(super) fn follow(known: &mut MemberRecord, spec: &MemberSpec, method: Method, now: u64) {
    let up = spec.admin_state_up && !known.down;
    if up && !known.up {
        known.up_since = Some(now);
    }
    known.up = up;
    known.share = match (known.up_since, method) {
        (_, Method::SourceIp | Method::SourceIpPort) | (None, _) => WHOLE,
        (Some(since), _) => share(now.saturating_sub(since), spec.slow_start),
    };
    if known.share == WHOLE {
        known.up_since = None;
    }
}

/// The share after `elapsed` milliseconds of a slow start of so many, in sixteenths.
fn share(elapsed: u64, slow_start: u32) -> u32 {
    let steps = (elapsed * u64::from(WHOLE)).checked_div(slow_start.into());
    steps.map_or(WHOLE, |steps| (steps + 1).min(WHOLE.into()) as u32)
}

/// Whether a member's share is another one by now.
pub(super) fn is_due(served: &Served) -> bool {
    let now = now();
    served.record.members.iter().any(|known| {
        let spec = served.pool.members.iter().find(|spec| spec.id.as_str() == known.id);
        match (known.up_since, spec) {
            (Some(since), Some(spec)) => {
                share(now.saturating_sub(since), spec.slow_start) != known.share
            }
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::config::model::{Id, Port, Weight};

    fn spec(slow_start: u32, admin_state_up: bool) -> MemberSpec {
        MemberSpec {
            id: Id::new("m").unwrap(),
            address: [10, 0, 0, 1].into(),
            port: Port::try_from(80).unwrap(),
            weight: Weight::default(),
            backup: false,
            max_connections: None,
            slow_start,
            monitor_address: None,
            monitor_port: None,
            admin_state_up,
        }
    }

    fn record(up_since: Option<u64>) -> MemberRecord {
        let endpoint = SocketAddr::from(([10, 0, 0, 1], 80));
        let id = "m".to_owned();
        MemberRecord {
            index: 0,
            incarnation: 0,
            id,
            endpoint,
            removed: false,
            down: false,
            forced: false,
            up: true,
            up_since,
            share: WHOLE,
        }
    }

    #[test]
    fn a_share_grows_from_a_sixteenth_to_the_whole() {
        let shares = [0, 1, 999, 1000, 8000, 14_999, 15_000, 16_000, u64::MAX / 16];
        let grown = shares.map(|elapsed| share(elapsed, 16_000));
        assert_eq!(grown, [1, 1, 1, 2, 9, 15, 16, 16, 16]);
        assert_eq!(share(0, 0), WHOLE);
    }

    #[test]
    fn who_comes_up_again_starts_slowly_and_only_then() {
        let mut known = record(None);
        let mut at = |spec: &MemberSpec, method, now| {
            follow(&mut known, spec, method, now);
            (known.up_since, known.share)
        };
        let (up, down) = (spec(1600, true), spec(1600, false));
        assert_eq!(at(&up, Method::LeastConn, 100), (None, WHOLE));
        assert_eq!(at(&down, Method::LeastConn, 200), (None, WHOLE));
        assert_eq!(at(&up, Method::LeastConn, 300), (Some(300), 1));
        assert_eq!(at(&up, Method::LeastConn, 700), (Some(300), 5));
        assert_eq!(at(&up, Method::LeastConn, 1900), (None, WHOLE));
        assert_eq!(at(&down, Method::SourceIp, 2000), (None, WHOLE));
        assert_eq!(at(&up, Method::SourceIp, 2100), (None, WHOLE));
    }
}
