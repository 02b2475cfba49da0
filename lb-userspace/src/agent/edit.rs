//! Editing declarations: some fields another way, the others as they are, in the words of the YAML (JSON merge patch, RFC 7396).

use serde_json::{Value, json};

use super::AgentError;
use super::monitors::position;
use super::plan::document;
use crate::config::{ConfigError, Diagnostic, PoolSpec, yaml};

/// Fields of a pool that are not changed with the others: its id stays, and what it has several of has addresses of its own.
const ELSEWHERE: [&str; 4] = ["id", "members", "monitor", "monitors"];

/// What is to become of a monitor.
#[derive(Clone, Debug)]
pub(super) enum MonitorEdit {
    /// It is new, and the last.
    Add(Value),
    /// Some of its fields are to be another way.
    Set {
        /// Its number or type.
        monitor: String,
        /// The fields; null takes one away.
        patch: Value,
    },
    /// It goes.
    Remove {
        /// Its number or type.
        monitor: String,
    },
}

/// The pool with some of its fields another way; null takes a field away.
///
/// # Errors
/// When there would be no such pool.
pub(super) fn edit_pool(pool: &PoolSpec, patch: &Value) -> Result<PoolSpec, AgentError> {
    let fields = fields(patch, "pool")?;
    if let Some(field) = ELSEWHERE.into_iter().find(|field| fields.contains_key(*field)) {
        return Err(AgentError::Document(format!(
            "{field} cannot be changed with the pool; members and monitors have addresses of their own, and an id stays"
        )));
    }
    let mut declared = document(pool);
    if pool.vip.is_none() && patch["vip"].is_object() && patch["vip"]["id"].is_null() {
        let text =
            format!("pool {} has no VIP to be changed; declare one with `qlb apply`", pool.id);
        return Err(AgentError::Document(text));
    }
    merge(&mut declared, patch);
    read(pool, &declared)
}

/// The pool with other monitors.
///
/// # Errors
/// When the monitor is not found, or there would be no such pool.
pub(super) fn edit_monitors(pool: &PoolSpec, edit: &MonitorEdit) -> Result<PoolSpec, AgentError> {
    let mut declared = document(pool);
    let mut taken = |key: &str| declared.as_object_mut().and_then(|fields| fields.remove(key));
    let mut monitors = match (taken("monitor"), taken("monitors")) {
        (Some(single), _) => vec![single],
        (None, Some(Value::Array(list))) => list,
        (None, _) => Vec::new(),
    };
    match edit {
        MonitorEdit::Add(new) => {
            fields(new, "monitor")?;
            monitors.push(Value::Null);
            merge(&mut monitors[pool.monitors.len()], new);
        }
        MonitorEdit::Set { monitor, patch } => {
            fields(patch, "monitor")?;
            merge(&mut monitors[position(pool, monitor)?], patch);
        }
        MonitorEdit::Remove { monitor } => {
            monitors.remove(position(pool, monitor)?);
        }
    }
    // As errors name it: one has the short key, several are a list.
    match monitors.as_mut_slice() {
        [single] => declared["monitor"] = single.take(),
        _ => declared["monitors"] = monitors.into(),
    }
    read(pool, &declared)
}

fn fields<'a>(
    patch: &'a Value,
    what: &str,
) -> Result<&'a serde_json::Map<String, Value>, AgentError> {
    patch.as_object().filter(|fields| !fields.is_empty()).ok_or_else(|| {
        AgentError::Document(format!("nothing of the {what} is to change; name a field"))
    })
}

fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in fields {
        if !value.is_null() {
            merge(&mut target[key], value);
        } else if let Some(target) = target.as_object_mut() {
            target.remove(key);
        }
    }
}

fn read(pool: &PoolSpec, declared: &Value) -> Result<PoolSpec, AgentError> {
    let text = json!({ "pools": [declared] }).to_string();
    let mut pools = yaml::parse("body", &text).map_err(|error| about(pool, error))?;
    pools.pop().ok_or_else(|| AgentError::NoPool(pool.id.to_string()))
}

/// What is wrong, by field: the text around it nobody has written.
fn about(pool: &PoolSpec, error: ConfigError) -> ConfigError {
    let within = |field: String| {
        let field = field.trim_start_matches("pools[0]").trim_start_matches('.').to_owned();
        (!field.is_empty()).then_some(field)
    };
    let by_field = |found: Diagnostic| Diagnostic {
        file: format!("pool {}", pool.id),
        at: None,
        field: found.field.and_then(within),
        line: String::new(),
        ..found
    };
    match error {
        ConfigError::Invalid(found) => {
            ConfigError::Invalid(found.into_iter().map(by_field).collect())
        }
        ConfigError::Read { .. } | ConfigError::Render(_) => error,
    }
}

#[cfg(test)]
mod tests;
