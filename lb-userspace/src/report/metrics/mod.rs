//! Metrics for Prometheus: the same facts as `qlb status`.
//!
//! Labels are pools, members, reasons and directions: none grows with clients.

mod agent;
mod text;

use std::net::SocketAddr;

use super::member::Member;
use super::status::{Pool, Status};
pub use agent::{AgentFacts, agent_metrics};
use text::{Family, Kind::Counter, Kind::Gauge, Text};

/// Every family, in the order of the text.
const FAMILIES: [Family; 28] = [
    ("qlb_build_info", Gauge, "The program that answers; always 1."),
    ("qlb_pool_info", Gauge, "A pool that is served; always 1."),
    (
        "qlb_pool_attached",
        Gauge,
        "Whether the program is on the VIP's device; absent where that cannot be seen.",
    ),
    ("qlb_pool_controller", Gauge, "Whether a controller expires the pool's connections."),
    ("qlb_pool_connections_total", Counter, "Connections given to members."),
    ("qlb_pool_active_connections", Gauge, "Connections that have not ended."),
    ("qlb_pool_connection_limit", Gauge, "Most connections at once; absent if there is no limit."),
    ("qlb_pool_request_errors_total", Counter, "Connections that nobody served."),
    (
        "qlb_pool_drift",
        Gauge,
        "How far active connections are from a recount; more than 0 is a fault. Absent if they never held still.",
    ),
    ("qlb_pool_bytes_total", Counter, "Payload, in from clients and out from members."),
    (
        "qlb_pool_packets_total",
        Counter,
        "Packets rewritten and sent, in to members and out to clients.",
    ),
    (
        "qlb_member_up",
        Gauge,
        "Whether a member takes connections as far as its monitor and its admin state go.",
    ),
    ("qlb_member_state", Gauge, "1 for the state that a member is in, 0 for the others."),
    ("qlb_member_weight", Gauge, "The share of new connections."),
    ("qlb_member_connections_total", Counter, "Connections given to a member."),
    ("qlb_member_active_connections", Gauge, "Connections of a member that have not ended."),
    ("qlb_member_failed_connections_total", Counter, "Connections that a member did not accept."),
    ("qlb_member_bytes_total", Counter, "Payload, in to a member and out from it."),
    ("qlb_member_packets_total", Counter, "Packets, in to a member and out from it."),
    (
        "qlb_member_check_failures_total",
        Counter,
        "Failed probes of a member that was not down; absent without a monitor.",
    ),
    ("qlb_member_downs_total", Counter, "How often a member's monitors took it down."),
    ("qlb_member_check_duration_seconds", Gauge, "How long the last probe of a member took."),
    ("qlb_drops_total", Counter, "Packets dropped, by reason."),
    ("qlb_refused_total", Counter, "New connections refused, by reason."),
    ("qlb_passed_total", Counter, "Packets left to the stack, or by XDP to TC, by reason."),
    ("qlb_events_total", Counter, "What happened to connections, by the name of the counter."),
    ("qlb_conntrack_entries", Gauge, "Entries of the connection table; a connection takes two."),
    ("qlb_conntrack_capacity", Gauge, "Most entries of the connection table."),
];

/// States that a member of a pool can be in.
const STATES: [&str; 6] = ["READY", "EJECTED", "STARTING", "DRAINING", "DOWN", "DISABLED"];

/// The metrics of the pools in a status.
pub fn metrics(status: &Status) -> String {
    let mut text = Text::default();
    for family in FAMILIES {
        text.family(family);
        if family.0 == "qlb_build_info" {
            text.series(family, &[("version", env!("CARGO_PKG_VERSION"))], 1);
        }
        for pool in status.pools() {
            of_pool(&mut text, family, pool);
            // A removed member may have the name of one that is there.
            for member in pool.members.iter().filter(|member| member.state != Member::REMOVED) {
                of_member(&mut text, family, &pool.id, member);
            }
        }
    }
    text.finish()
}

fn of_pool(text: &mut Text, family: Family, pool: &Pool) {
    let id = ("pool", pool.id.as_str());
    let mut one = |value: u64| text.series(family, &[id], value);
    match family.0 {
        "qlb_pool_info" => {
            let (protocol, method) = (pool.protocol.to_string(), pool.lb_method.to_string());
            let vip = pool.vip.as_ref().map(|vip| SocketAddr::new(vip.address, vip.port));
            let vip = vip.map(|vip| vip.to_string()).unwrap_or_default();
            let name = pool.name.as_deref().unwrap_or_default();
            let labels =
                [id, ("name", name), ("protocol", &protocol), ("method", &method), ("vip", &vip)];
            text.series(family, &labels, 1);
        }
        "qlb_pool_attached" => pool.attached.into_iter().for_each(|attached| one(attached.into())),
        "qlb_pool_controller" => one(pool.controller.is_some().into()),
        "qlb_pool_connections_total" => one(pool.connections.total),
        "qlb_pool_active_connections" => one(pool.connections.active),
        "qlb_pool_connection_limit" => {
            pool.connections.limit.into_iter().for_each(|limit| one(limit.into()));
        }
        "qlb_pool_request_errors_total" => one(pool.lbaas.statistics().request_errors),
        "qlb_pool_drift" => pool.drift.into_iter().for_each(one),
        "qlb_conntrack_entries" => one(pool.conntrack.entries),
        "qlb_conntrack_capacity" => one(pool.conntrack.capacity),
        "qlb_pool_bytes_total" => both(text, family, &[id], [pool.bytes_in, pool.bytes_out]),
        "qlb_pool_packets_total" => {
            let count = |name| pool.counters.get(name).copied().unwrap_or(0);
            let packets = [count("forward_to_member"), count("forward_to_client")];
            both(text, family, &[id], packets);
        }
        "qlb_drops_total" => counters(text, family, pool, "reason", &["drop_"]),
        "qlb_refused_total" => counters(text, family, pool, "reason", &["refuse_"]),
        "qlb_passed_total" => {
            counters(text, family, pool, "reason", &["pass_", "xdp_pass_", "outer_pass_"])
        }
        "qlb_events_total" => counters(text, family, pool, "event", &[]),
        _ => {}
    }
}

fn of_member(text: &mut Text, family: Family, pool: &str, member: &Member) {
    let labels = [("pool", pool), ("member", member.id.as_str())];
    let mut one = |value: u64| text.series(family, &labels, value);
    match family.0 {
        "qlb_member_up" => one((member.admin_state_up && !member.marked_down).into()),
        "qlb_member_weight" => one(member.weight.into()),
        "qlb_member_connections_total" => one(member.total_connections),
        "qlb_member_active_connections" => one(member.active_connections.into()),
        "qlb_member_failed_connections_total" => one(member.failed_connections),
        "qlb_member_check_failures_total" => member.check.iter().for_each(|it| one(it.failed)),
        "qlb_member_downs_total" => member.check.iter().for_each(|it| one(it.downs)),
        "qlb_member_check_duration_seconds" => {
            let duration = member.check.as_ref().and_then(|check| check.duration_ms);
            duration.into_iter().for_each(|ms| text.series(family, &labels, ms as f64 / 1000.0));
        }
        "qlb_member_bytes_total" => {
            both(text, family, &labels, [member.bytes_in, member.bytes_out]);
        }
        "qlb_member_packets_total" => {
            both(text, family, &labels, [member.packets_in, member.packets_out]);
        }
        "qlb_member_state" => {
            for state in STATES {
                let labels = [labels[0], labels[1], ("state", state)];
                text.series(family, &labels, u8::from(member.state == state));
            }
        }
        _ => {}
    }
}

/// A series for each direction.
fn both(text: &mut Text, family: Family, labels: &[(&str, &str)], values: [u64; 2]) {
    for (direction, value) in ["in", "out"].into_iter().zip(values) {
        let labels = [labels, &[("direction", direction)]].concat();
        text.series(family, &labels, value);
    }
}

/// The counters whose names begin so, and without a beginning those that are in no other family.
fn counters(text: &mut Text, family: Family, pool: &Pool, label: &str, begin: &[&str]) {
    let elsewhere = ["drop_", "refuse_", "pass_", "xdp_", "outer_", "forward_"];
    for (name, value) in &pool.counters {
        let wanted = match begin {
            [] => !elsewhere.iter().any(|begin| name.starts_with(begin)),
            begin => begin.iter().any(|begin| name.starts_with(begin)),
        };
        if wanted {
            text.series(family, &[("pool", pool.id.as_str()), (label, name)], value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let mut text = Text::default();
        text.family(("a_total", Counter, "Of a."));
        text.series(("a_total", Counter, ""), &[("x", "a\"b\\c\nd"), ("y", "")], 7);
        text.series(("a_total", Counter, ""), &[], 1);
        assert_eq!(
            text.finish(),
            "# HELP a_total Of a.\n# TYPE a_total counter\na_total{x=\"a\\\"b\\\\c\\nd\",y=\"\"} 7\na_total 1\n"
        );
    }

    #[test]
    fn names_follow_the_conventions() {
        let all = [&FAMILIES[..], &agent::FAMILIES].concat();
        for (name, kind, help) in &all {
            assert!(name.starts_with("qlb_") && help.ends_with('.'), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == Counter, "{name}");
        }
        let mut names: Vec<&str> = all.iter().map(|family| family.0).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    }

    /// A panel that asks for a metric that does not exist stays empty for ever.
    #[test]
    fn the_dashboard_asks_for_metrics_that_exist() {
        let dashboard = include_str!("../../../../docs/grafana/qlb.json");
        let value: serde_json::Value = serde_json::from_str(dashboard).unwrap();
        let mut asked = Vec::new();
        for panel in value["panels"].as_array().unwrap() {
            let targets = panel["targets"].as_array().map(Vec::as_slice).unwrap_or_default();
            assert!(panel["type"] == "row" || !targets.is_empty(), "{panel}");
            asked.extend(targets.iter().map(|target| target["expr"].as_str().unwrap()));
        }
        assert!(asked.len() > 8, "{asked:?}");
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let names = asked.iter().flat_map(|expr| expr.split(|c: char| !is_name(c)));
        let metrics: Vec<&str> = names.filter(|name| name.starts_with("qlb_")).collect();
        assert!(metrics.len() >= asked.len());
        for name in metrics {
            assert!(FAMILIES.iter().any(|(known, ..)| *known == name), "there is no {name}");
        }
    }
}
