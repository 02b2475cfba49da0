//! What changes, in words.

use std::io::{self, Write};

use serde_json::Value;

use crate::agent::plan::{Action, FieldChange, Plan, Step};

/// Prints what became, or would become, of each pool; answers the exit code. Why a pool is not served goes to stderr.
pub(super) fn print(plan: &Plan, out: &mut impl Write) -> io::Result<u8> {
    for step in &plan.steps {
        let Step { pool, action, changes, state, reason } = step;
        let done = match (action, plan.dry_run) {
            (Action::Create, false) => "created",
            (Action::Create, true) => "would be created",
            (Action::Change, false) => "changed",
            (Action::Change, true) => "would be changed",
            (Action::Delete, false) => "deleted",
            (Action::Delete, true) => "would be deleted",
            (Action::None, _) => "unchanged",
        };
        let state = state.as_ref().map(|state| format!(", {state}")).unwrap_or_default();
        writeln!(out, "pool {pool} {done}{state}")?;
        for change in changes {
            writeln!(out, "  {}", words_of(change))?;
        }
        if let Some(reason) = reason {
            writeln!(io::stderr(), "qlb: pool {pool}: {reason}")?;
        }
    }
    Ok(code(plan))
}

/// The exit code: 1 if a pool is not served as it is declared now.
pub(super) fn code(plan: &Plan) -> u8 {
    plan.steps.iter().any(|step| step.state.as_deref() == Some("ERROR")).into()
}

/// Prints what differs, as `diff` does: + is new, - goes, ~ changes.
pub(super) fn differences(plan: &Plan, out: &mut impl Write) -> io::Result<()> {
    for Step { pool, action, changes, .. } in &plan.steps {
        let sign = match action {
            Action::Create => '+',
            Action::Change => '~',
            Action::Delete => '-',
            Action::None => continue,
        };
        writeln!(out, "{sign} pool {pool}")?;
        for change in changes {
            writeln!(out, "    {}", words_of(change))?;
        }
    }
    Ok(())
}

fn words_of(FieldChange { field, before, after }: &FieldChange) -> String {
    format!("{field}: {} -> {}", value(before), value(after))
}

fn value(value: &Value) -> String {
    match value {
        Value::Null => "(none)".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}
