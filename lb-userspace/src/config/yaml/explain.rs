//! Turns an error of the YAML crate into one an operator can act on.

use super::locate;
use crate::config::error::{ConfigError, Pos, Source, printable};

/// How the crate begins the one error that has a place in the text but does not carry it.
const SECOND_DOCUMENT: &str = "deserializing from YAML containing more than one document";

/// The crate's error as a diagnostic: its place, the field, and what to do.
pub(super) fn diagnostic(source: Source<'_>, error: &serde_yaml::Error) -> ConfigError {
    let full = error.to_string();
    let bare = full.split(" at line ").next().unwrap_or(&full);
    let (field, message) = split_field(bare);
    let (message, help) = reword(message);
    let at = error.location().map(|l| Pos { line: l.line(), column: l.column() });
    let at = match message.strip_prefix("duplicate field ") {
        Some(name) => {
            locate::second_key(source.text, field.unwrap_or_default(), name.trim_matches('`'))
        }
        None => at.or_else(|| second_document(bare, source.text)),
    };
    let mut diagnostic = source.diagnostic(at, printable(&message), help);
    diagnostic.field = field.map(str::to_owned);
    diagnostic.into()
}

/// The crate writes `pools[0].vip: message`; a path has no space.
fn split_field(text: &str) -> (Option<&str>, &str) {
    match text.split_once(": ") {
        Some((field, message)) if !field.contains(' ') => (Some(field), message),
        Some(_) | None => (None, text),
    }
}

fn reword(message: &str) -> (String, String) {
    let mut names = backticked(message);
    if message.starts_with("unknown field") || message.starts_with("unknown variant") {
        let wrong = names.next().unwrap_or_default();
        let known: Vec<&str> = names.collect();
        let short = message.split(", expected").next().unwrap_or(message);
        let help = match known.iter().find(|name| close(wrong, name)) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("write one of: {}", known.join(", ")),
        };
        return (short.replace("variant", "value"), help);
    }
    if let Some(name) = message.strip_prefix("missing field ") {
        return (message.to_owned(), format!("add `{}:` to this entry", name.trim_matches('`')));
    }
    if message.starts_with("duplicate field") {
        return (
            message.to_owned(),
            "write the field once: remove one of the two lines".to_owned(),
        );
    }
    if message.starts_with("invalid type") || message.starts_with("invalid value") {
        let plain = message
            .replace("expected i64", "expected a whole number")
            .replace("expected f64", "expected a number of seconds")
            .replace("expected a sequence", "expected a list")
            .replace("expected a boolean", "expected true or false")
            .replace("invalid type: sequence", "invalid type: list")
            .replace("integer `", "number `")
            .replace("floating point `", "number `");
        let wanted = plain.rsplit("expected ").next().unwrap_or_default().to_owned();
        return (plain, format!("write {wanted} here"));
    }
    if message.starts_with(SECOND_DOCUMENT) {
        return (
            "the file has more than one YAML document".to_owned(),
            "put all pools under one `pools:` list, and remove the `---` between them".to_owned(),
        );
    }
    (
        message.to_owned(),
        "correct the YAML syntax; common causes are a TAB in the indentation, uneven indentation, \
         and a missing space after `:`"
            .to_owned(),
    )
}

fn backticked(message: &str) -> impl Iterator<Item = &str> {
    message.split('`').skip(1).step_by(2)
}

/// Where a second document starts.
fn second_document(message: &str, text: &str) -> Option<Pos> {
    if !message.starts_with(SECOND_DOCUMENT) {
        return None;
    }
    let mut content = false;
    for (index, line) in text.lines().enumerate() {
        if content && line.starts_with("---") {
            return Some(Pos { line: index + 1, column: 1 });
        }
        content |= !line.trim_start().starts_with('#') && !line.trim().is_empty();
    }
    None
}

/// True for names with at most one edit in three letters (Levenshtein), in any case.
fn close(left: &str, right: &str) -> bool {
    let (left, right) = (left.to_ascii_lowercase(), right.to_ascii_lowercase());
    let mut row: Vec<usize> = (0..=right.chars().count()).collect();
    for (i, l) in left.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, r) in right.chars().enumerate() {
            let replace = diagonal + usize::from(l != r);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().is_some_and(|distance| distance * 3 <= right.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_is_close_and_another_word_is_not() {
        assert!(close("adress", "address"));
        assert!(close("round_robin", "ROUND_ROBIN"));
        assert!(!close("backend", "members"));
        assert!(!close("UDP", "TCP"));
    }

    #[test]
    fn only_a_path_is_taken_as_the_field() {
        assert_eq!(split_field("pools[0].vip: bad"), (Some("pools[0].vip"), "bad"));
        assert_eq!(split_field("invalid type: map"), (None, "invalid type: map"));
    }
}
