//! What is otherwise than the operator may expect of a pool that is served.

use super::Notice;
use crate::config::model::{Failover, LbMethod, Mode, Overflow, PoolSpec, Protocol};

/// Every difference of a pool that is not refused.
pub(super) fn notices(pool: &PoolSpec) -> Vec<Notice> {
    let mut notices = Vec::new();
    let mut note = |field, text: String| notices.push(Notice { field, text });
    match pool.protocol {
        Protocol::Tcp | Protocol::Https => {}
        Protocol::Udp if pool.failover != Failover::default() => note(
            "failover",
            "a UDP flow has another member when an ICMP error says that its own, which has not answered, \
             cannot be reached; silence is no failure"
                .to_owned(),
        ),
        Protocol::Udp => {}
        Protocol::Http => note(
            "protocol",
            "HTTP is balanced per connection; a keep-alive connection stays on one member"
                .to_owned(),
        ),
    }
    match pool.mode {
        Mode::Nat => {}
        Mode::Dnat => note(
            "mode",
            "dnat: members' way to clients has to lead by the VIP, or no connection comes to be"
                .to_owned(),
        ),
        Mode::Dsr => note(
            "mode",
            "dsr: answers are not seen; a member that refuses connections keeps getting some, and \
             nothing is known of what members send"
                .to_owned(),
        ),
    }
    if let Some(limit) = pool.vip.as_ref().and_then(|vip| vip.connection_limit) {
        note("vip.connection_limit", limited(pool, limit));
    }
    if pool.members.len() > 1 && pool.failover.retries == 0 {
        let lost = "with retries: 0 a member that refuses or does not answer is not replaced by \
                    another one";
        let text = match pool.lb_method {
            LbMethod::LeastConnections => {
                format!("{lost}; with LEAST_CONNECTIONS it attracts new connections")
            }
            LbMethod::RoundRobin
            | LbMethod::SourceIp
            | LbMethod::SourceIpPort
            | LbMethod::LeastResponseTime => lost.to_owned(),
        };
        note("failover.retries", text);
    }
    if !pool.members.iter().any(|member| member.admin_state_up && member.weight.get() > 0) {
        note("members", "no member takes new connections".to_owned());
    }
    notices
}

/// HAProxy's kernel accepts what HAProxy does not serve yet; qlb has nobody to accept for it.
fn limited(pool: &PoolSpec, limit: u32) -> String {
    let overflow = pool.vip.as_ref().map(|vip| vip.overflow).unwrap_or_default();
    match (limit, overflow) {
        (0, _) => "a limit of 0 serves nobody".to_owned(),
        (_, Overflow::Drop) if pool.protocol.is_udp() => {
            format!("above {limit} flows a client's datagrams are dropped")
        }
        (_, Overflow::Drop) => format!(
            "above {limit} connections a client's connect waits, where HAProxy accepts it and lets \
             it wait for data"
        ),
        (_, Overflow::Reset) => format!("above {limit} connections clients are refused"),
    }
}
