use std::collections::BTreeSet;

use serde_json::json;

use super::*;
use crate::agent::gc::Item;
use crate::agent::view::{MemberView, MonitorView, PoolView, State};
use crate::report::Announcement;

fn fields_of(things: &Things) -> BTreeSet<String> {
    things.columns.iter().map(|column| column.1.to_owned()).collect()
}

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap().keys().cloned().collect()
}

fn pool(id: &str, state: State) -> Value {
    serde_json::to_value(PoolView {
        id: id.to_owned(),
        name: None,
        state,
        reason: Some("two\nlines".to_owned()),
        protocol: "TCP".to_owned(),
        vip: Some("10.0.0.9:80".to_owned()),
        lb_method: "ROUND_ROBIN".to_owned(),
        members: 2,
        admin_state_up: true,
        namespace: "qlbaas-a".to_owned(),
        device: None,
        hook: None,
        file: None,
    })
    .unwrap()
}

#[test]
fn a_wide_table_has_the_fields_of_the_json_and_no_other() {
    assert_eq!(fields_of(&POOLS), keys(&pool("a", State::Served)));
    let member = json!({
        "pool": "a", "id": "m", "address": "10.0.0.1", "port": 80, "state": "READY", "weight": 1, "backup": false,
        "admin_state_up": true, "active_connections": 0, "total_connections": 0, "failed_connections": 0,
        "bytes_in": 0, "bytes_out": 0, "drain_seconds": null,
    });
    let member: MemberView = serde_json::from_value(member).unwrap();
    assert_eq!(fields_of(&MEMBERS), keys(&serde_json::to_value(member).unwrap()));
    let monitor = json!({
        "pool": "a", "monitor": 1, "type": "TCP", "delay": 1.0, "timeout": 1.0, "max_retries": 1, "max_retries_down": 3,
        "start": "haproxy",
    });
    let monitor: MonitorView = serde_json::from_value(monitor).unwrap();
    assert_eq!(fields_of(&MONITORS), keys(&serde_json::to_value(monitor).unwrap()));
    let told = json!({
        "pool": "a", "address": "10.0.0.1", "namespace": null, "device": "tap", "mac": null, "rounds": 0, "reason": "b",
    });
    let told: Announcement = serde_json::from_value(told).unwrap();
    assert_eq!(fields_of(&ANNOUNCEMENTS), keys(&serde_json::to_value(told).unwrap()));
    let item = json!({"kind": "pins", "name": "a", "reason": "b", "removed": false, "error": null});
    let item: Item = serde_json::from_value(item).unwrap();
    assert_eq!(fields_of(&GARBAGE), keys(&serde_json::to_value(item).unwrap()));
}

fn printed(answer: &Value, form: Form, headers: bool, before: Option<&Value>) -> String {
    let mut out = Vec::new();
    POOLS.print(answer, form, headers, before, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn only_rows_that_have_changed_are_printed_again() {
    let before = json!({"pools": [pool("a", State::Served), pool("b", State::Served), pool("c", State::Served)]});
    let after = json!({"pools": [pool("a", State::Served), pool("b", State::Error)]});
    let lines = printed(&after, Form::Table, false, Some(&before));
    assert_eq!(lines, "c (gone)\nb     ERROR  TCP    10.0.0.9:80  ROUND_ROBIN  2\n");
    assert_eq!(printed(&after, Form::Json, false, Some(&after)), "");
    let wide = printed(&after, Form::Wide, true, None);
    assert_eq!(wide.lines().count(), 3, "{wide}");
}
