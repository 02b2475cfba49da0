//! Things of the agent's API as tables, JSON and YAML. What a table shows is what the JSON says, field by field.

use std::io::{self, Write};

use serde_json::Value;

use super::agent_args::Form;
use crate::report::Table;

/// A column: its head, the field of the JSON, and whether only a wide table has it.
type Column = (&'static str, &'static str, bool);

/// How a kind of things is printed.
pub(super) struct Things {
    /// The field of the answer that lists them.
    list: &'static str,
    /// The fields that tell one from another.
    key: &'static [&'static str],
    columns: &'static [Column],
}

pub(super) static POOLS: Things = Things {
    list: "pools",
    key: &["id"],
    columns: &[
        ("POOL", "id", false),
        ("NAME", "name", true),
        ("STATE", "state", false),
        ("PROTO", "protocol", false),
        ("VIP", "vip", false),
        ("METHOD", "lb_method", false),
        ("MEMBERS", "members", false),
        ("ADMIN UP", "admin_state_up", true),
        ("NAMESPACE", "namespace", true),
        ("DEVICE", "device", true),
        ("HOOK", "hook", true),
        ("FILE", "file", true),
        ("REASON", "reason", true),
    ],
};

pub(super) static MEMBERS: Things = Things {
    list: "members",
    key: &["pool", "id"],
    columns: &[
        ("POOL", "pool", false),
        ("MEMBER", "id", false),
        ("ADDRESS", "address", false),
        ("PORT", "port", false),
        ("STATE", "state", false),
        ("WEIGHT", "weight", false),
        ("BACKUP", "backup", true),
        ("ADMIN UP", "admin_state_up", true),
        ("ACTIVE", "active_connections", false),
        ("TOTAL", "total_connections", false),
        ("FAILED", "failed_connections", true),
        ("BYTES IN", "bytes_in", true),
        ("BYTES OUT", "bytes_out", true),
        ("DRAIN S", "drain_seconds", true),
    ],
};

pub(super) static MONITORS: Things = Things {
    list: "monitors",
    key: &["pool", "monitor"],
    columns: &[
        ("POOL", "pool", false),
        ("MONITOR", "monitor", false),
        ("TYPE", "type", false),
        ("DELAY", "delay", false),
        ("TIMEOUT", "timeout", false),
        ("RISE", "max_retries", false),
        ("FALL", "max_retries_down", false),
        ("START", "start", true),
        ("METHOD", "http_method", true),
        ("PATH", "url_path", true),
        ("CODES", "expected_codes", true),
        ("HTTP", "http_version", true),
        ("DOMAIN", "domain_name", true),
        ("VERIFY", "verify", true),
        ("CA FILE", "ca_file", true),
    ],
};

pub(super) static ANNOUNCEMENTS: Things = Things {
    list: "announcements",
    key: &["pool", "address"],
    columns: &[
        ("POOL", "pool", false),
        ("ADDRESS", "address", false),
        ("NAMESPACE", "namespace", false),
        ("DEVICE", "device", false),
        ("MAC", "mac", false),
        ("ROUNDS", "rounds", false),
        ("REASON", "reason", false),
    ],
};

pub(super) static GARBAGE: Things = Things {
    list: "items",
    key: &["kind", "name"],
    columns: &[
        ("KIND", "kind", false),
        ("NAME", "name", false),
        ("REMOVED", "removed", false),
        ("REASON", "reason", false),
        ("ERROR", "error", true),
    ],
};

impl Things {
    /// Prints things as asked; in a table only those that are not as they were `before`.
    pub(super) fn print(
        &self,
        answer: &Value,
        form: Form,
        headers: bool,
        before: Option<&Value>,
        out: &mut impl Write,
    ) -> io::Result<()> {
        match form {
            Form::Json | Form::Yaml if before == Some(answer) => Ok(()),
            Form::Json | Form::Yaml => document(answer, form, out).map(drop),
            Form::Table | Form::Wide => {
                self.table(answer, form == Form::Wide, headers, before, out)
            }
        }
    }

    fn table(
        &self,
        answer: &Value,
        wide: bool,
        headers: bool,
        before: Option<&Value>,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let columns: Vec<&Column> =
            self.columns.iter().filter(|column| wide || !column.2).collect();
        let known = before.map(|before| list(&before[self.list])).unwrap_or_default();
        let mut table =
            Table::with_header(columns.iter().map(|column| column.0.to_owned()).collect());
        let is_new = |thing: &&Value| !known.contains(thing);
        for thing in list(&answer[self.list]).iter().filter(is_new) {
            table.cells(columns.iter().map(|column| cell(&thing[column.1])).collect());
        }
        for gone in known.iter().filter(|old| self.is_gone(old, answer)) {
            let names: Vec<String> = self.key.iter().map(|key| cell(&gone[key])).collect();
            writeln!(out, "{} (gone)", names.join(" "))?;
        }
        let lines = table.lines();
        lines.iter().skip(usize::from(!headers)).try_for_each(|line| writeln!(out, "{line}"))
    }

    fn is_gone(&self, old: &Value, answer: &Value) -> bool {
        let same = |new: &Value| self.key.iter().all(|key| new[key] == old[key]);
        !list(&answer[self.list]).iter().any(same)
    }
}

/// Prints an answer for programs, if that is the form; says whether it is.
pub(super) fn document(answer: &Value, form: Form, out: &mut impl Write) -> io::Result<bool> {
    match form {
        Form::Json => {
            serde_json::to_writer_pretty(&mut *out, answer)?;
            writeln!(out)?;
        }
        Form::Yaml => {
            let text = serde_yaml::to_string(answer).map_err(io::Error::other)?;
            write!(out, "{text}")?;
        }
        Form::Table | Form::Wide => return Ok(false),
    }
    Ok(true)
}

/// What is listed; nothing if it is no list.
pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.replace('\n', " "),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// Prints each field of a thing in a line of its own.
pub(super) fn fields(thing: &Value, out: &mut impl Write) -> io::Result<()> {
    let Some(fields) = thing.as_object() else { return Ok(()) };
    let width = fields.keys().map(|key| key.len() + 1).max().unwrap_or(0);
    fields
        .iter()
        .try_for_each(|(key, value)| writeln!(out, "{:<width$} {}", format!("{key}:"), cell(value)))
}

/// Prints a pool: how it is, what is declared, its members.
pub(super) fn describe_pool(answer: &Value, out: &mut impl Write) -> io::Result<()> {
    fields(&answer["pool"], out)?;
    let declared = serde_yaml::to_string(&answer["declared"]).map_err(io::Error::other)?;
    writeln!(out, "\ndeclared:")?;
    declared.lines().try_for_each(|line| writeln!(out, "  {line}"))?;
    writeln!(out, "\nmembers:")?;
    let mut table = Vec::new();
    MEMBERS.table(answer, false, true, None, &mut table)?;
    String::from_utf8_lossy(&table).lines().try_for_each(|line| writeln!(out, "  {line}"))
}

#[cfg(test)]
mod tests;
