//! What would change: the difference between what is declared and what is asked for, field by field.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::config::{PoolSpec, yaml};

/// What becomes of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Action {
    /// It is new.
    Create,
    /// Some of it changes.
    Change,
    /// It goes.
    Delete,
    /// It is so already.
    None,
}

/// A field that changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FieldChange {
    /// Where, as in the YAML; members by id and monitors by type: `members[m1].weight`, `monitors[TCP].delay`.
    pub field: String,
    /// What it was; null if it was not there.
    pub before: Value,
    /// What it becomes; null if it goes.
    pub after: Value,
}

/// What becomes of one pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Step {
    /// The pool's id.
    pub pool: String,
    /// What is done.
    pub action: Action,
    /// Each field that changes; none of a pool that is new or goes.
    pub changes: Vec<FieldChange>,
    /// The pool's state afterwards; null if nothing was done or the pool is gone.
    pub state: Option<String>,
    /// Why it is in that state.
    pub reason: Option<String>,
}

/// What becomes of the pools of a document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Version of the answer.
    pub api_version: String,
    /// Whether it was only asked for.
    pub dry_run: bool,
    /// Each pool, in the order of the document.
    pub steps: Vec<Step>,
}

impl Plan {
    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.iter().all(|step| step.action == Action::None)
    }
}

impl Step {
    /// From what is declared of a pool now, and what is to be.
    #[must_use]
    pub fn between(id: &str, before: Option<&PoolSpec>, after: Option<&PoolSpec>) -> Self {
        let (action, changes) = match (before, after) {
            (None, None) => (Action::None, Vec::new()),
            (None, Some(_)) => (Action::Create, Vec::new()),
            (Some(_), None) => (Action::Delete, Vec::new()),
            (Some(before), Some(after)) if before == after => (Action::None, Vec::new()),
            (Some(before), Some(after)) => (Action::Change, changes(before, after)),
        };
        Self { pool: id.to_owned(), action, changes, state: None, reason: None }
    }
}

/// A pool as JSON, with the fields of the YAML.
#[must_use]
pub fn document(pool: &PoolSpec) -> Value {
    // Valid pools can be written, and what was written can be read.
    let text = yaml::print(std::slice::from_ref(pool)).unwrap_or_default();
    let mut file: Value = serde_yaml::from_str(&text).unwrap_or_default();
    file["pools"][0].take()
}

/// What differs between pools that are not the same.
fn changes(before: &PoolSpec, after: &PoolSpec) -> Vec<FieldChange> {
    let mut found = Vec::new();
    compare("", &comparable(before), &comparable(after), &mut found);
    if found.is_empty() {
        let ids =
            |pool: &PoolSpec| pool.members.iter().map(|m| m.id.to_string()).collect::<Vec<_>>();
        let types = |pool: &PoolSpec| {
            pool.monitors.iter().map(|m| m.check.type_name().to_owned()).collect::<Vec<_>>()
        };
        let (what, before, after) = match (ids(before), ids(after)) {
            (old, new) if old != new => ("members", old, new),
            _ => ("monitors", types(before), types(after)),
        };
        let field = format!("{what} (their order)");
        found.push(FieldChange { field, before: before.into(), after: after.into() });
    }
    found
}

/// A pool whose monitors are a list however many there are, so that one more changes nothing of the first.
fn comparable(pool: &PoolSpec) -> Value {
    let mut declared = document(pool);
    let single = declared.as_object_mut().and_then(|fields| fields.remove("monitor"));
    if let Some(single) = single {
        declared["monitors"] = vec![single].into();
    } else if declared["monitors"].is_null() {
        declared["monitors"] = Vec::<Value>::new().into();
    }
    declared
}

fn compare(path: &str, before: &Value, after: &Value, found: &mut Vec<FieldChange>) {
    if before == after {
        return;
    }
    match (parts(before), parts(after)) {
        (Some(old), Some(new)) if !path.is_empty() || before.is_object() => {
            let keys: Vec<&String> =
                old.keys().chain(new.keys().filter(|k| !old.contains_key(*k))).collect();
            for key in keys {
                let inner = match (path, before.is_array() || after.is_array()) {
                    ("", _) => key.clone(),
                    (_, true) => format!("{path}[{key}]"),
                    (_, false) => format!("{path}.{key}"),
                };
                let at = |parts: &BTreeMap<String, &Value>| {
                    parts.get(key).map_or(Value::Null, |value| (*value).clone())
                };
                compare(&inner, &at(&old), &at(&new), found);
            }
        }
        _ => found.push(FieldChange {
            field: path.to_owned(),
            before: before.clone(),
            after: after.clone(),
        }),
    }
}

/// The parts of a mapping by key, of a list of things with ids by id, and of one of monitors by type.
fn parts(value: &Value) -> Option<BTreeMap<String, &Value>> {
    match value {
        Value::Object(map) => Some(map.iter().map(|(key, value)| (key.clone(), value)).collect()),
        Value::Array(list) => {
            let mut parts = BTreeMap::new();
            for item in list {
                let word = |key: &str| item.get(key).and_then(Value::as_str);
                let name = word("id").or_else(|| word("type"))?;
                let again = (2..).map(|number| format!("{name} {number}"));
                let mut names = std::iter::once(name.to_owned()).chain(again);
                parts.insert(names.find(|name| !parts.contains_key(name))?, item);
            }
            Some(parts)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(members: &str) -> PoolSpec {
        let text = format!(
            "pools:\n- id: a\n  protocol: TCP\n  lb_method: ROUND_ROBIN\n  members: [{members}]\n  \
             vip: {{id: v, address: 10.0.0.9, port: 80}}\n"
        );
        yaml::parse("test", &text).unwrap().pop().unwrap()
    }

    #[test]
    fn differences_are_named_by_field_and_member() {
        let before =
            pool("{id: m1, address: 10.0.0.1, port: 80}, {id: m2, address: 10.0.0.2, port: 80}");
        let after = pool(
            "{id: m2, address: 10.0.0.2, port: 80, weight: 5}, {id: m3, address: 10.0.0.3, port: 80}",
        );
        let step = Step::between("a", Some(&before), Some(&after));
        assert_eq!(step.action, Action::Change);
        let shown: Vec<String> = step
            .changes
            .iter()
            .map(|c| format!("{} {} {}", c.field, c.before.is_null(), c.after.is_null()))
            .collect();
        assert_eq!(
            shown,
            ["members[m1] false true", "members[m2].weight false false", "members[m3] true false"]
        );
        assert_eq!(Step::between("a", Some(&before), Some(&before)).action, Action::None);
    }

    #[test]
    fn monitors_are_named_by_type() {
        let with = |monitors: &str| {
            let mut pool = pool("");
            let text = format!(
                "pools:\n- {{id: a, protocol: TCP, lb_method: ROUND_ROBIN, monitors: [{monitors}]}}"
            );
            pool.monitors = yaml::parse("test", &text).unwrap().remove(0).monitors;
            pool
        };
        let shown = |before: &str, after: &str| {
            let step = Step::between("a", Some(&with(before)), Some(&with(after)));
            step.changes.into_iter().map(|change| change.field).collect::<Vec<String>>()
        };
        let tcp = "{type: TCP, delay: 5, timeout: 3, max_retries: 2}";
        let ping = "{type: PING, delay: 5, timeout: 3, max_retries: 2}";
        let slow = "{type: TCP, delay: 9, timeout: 3, max_retries: 2}";
        assert_eq!(shown("", tcp), ["monitors[TCP]"]);
        assert_eq!(shown(tcp, &format!("{tcp}, {ping}")), ["monitors[PING]"]);
        assert_eq!(shown(&format!("{tcp}, {ping}"), ping), ["monitors[TCP]"]);
        assert_eq!(shown(tcp, slow), ["monitors[TCP].delay"]);
        assert_eq!(
            shown(&format!("{tcp}, {tcp}"), &format!("{tcp}, {slow}")),
            ["monitors[TCP 2].delay"]
        );
        let order = ["monitors (their order)"];
        assert_eq!(shown(&format!("{tcp}, {ping}"), &format!("{ping}, {tcp}")), order);
    }

    #[test]
    fn an_order_is_a_difference_too() {
        let before =
            pool("{id: m1, address: 10.0.0.1, port: 80}, {id: m2, address: 10.0.0.2, port: 80}");
        let after =
            pool("{id: m2, address: 10.0.0.2, port: 80}, {id: m1, address: 10.0.0.1, port: 80}");
        let step = Step::between("a", Some(&before), Some(&after));
        assert_eq!(step.changes[0].field, "members (their order)");
    }
}
