//! Errors that point at the operator's text: file, line, column, the line itself, what to do.

use std::fmt;
use std::path::PathBuf;

/// A place in a text file, both counted from 1; the column counts characters, not bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pos {
    /// Line number, from 1.
    pub line: usize,
    /// Character within the line, from 1.
    pub column: usize,
}

/// Why a configuration could not be turned into pools.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read at all.
    #[error("{}: cannot read the file; check its path and permissions", path.display())]
    Read {
        /// The path as given.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The text is wrong; never empty, in the order the problems were found.
    #[error("{}", join(.0))]
    Invalid(Vec<Diagnostic>),
    /// The pools cannot be written as YAML; only a defect in qlb can cause it.
    #[error("cannot write the pools as YAML: {0}; please report this as a qlb defect")]
    Render(String),
}

/// One problem in a configuration text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file as the operator named it.
    pub file: String,
    /// Where; `None` only when the problem is the whole file.
    pub at: Option<Pos>,
    /// YAML path of the field, such as `pools[0].vip.port`.
    pub field: Option<String>,
    /// What is wrong.
    pub message: String,
    /// The offending line as written, with control characters replaced.
    pub line: String,
    /// What to do next.
    pub help: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file)?;
        if let Some(at) = self.at {
            write!(f, "{}:{}:", at.line, at.column)?;
        }
        if let Some(field) = &self.field {
            write!(f, " {field}:")?;
        }
        write!(f, " {}", self.message)?;
        if let Some(at) = self.at {
            let number = at.line.to_string();
            let gutter = " ".repeat(number.len());
            let indent = caret_indent(&self.line, at.column);
            write!(f, "\n  {number} | {}\n  {gutter} | {indent}^", self.line)?;
        }
        write!(f, "\n  help: {}", self.help)
    }
}

/// A configuration text under its file name: the source of every [`Diagnostic`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    pub(super) file: &'a str,
    pub(super) text: &'a str,
}

impl Source<'_> {
    pub(super) fn diagnostic(&self, at: Option<Pos>, message: String, help: String) -> Diagnostic {
        let line = at.and_then(|at| self.text.lines().nth(at.line.saturating_sub(1)));
        Diagnostic {
            file: self.file.to_owned(),
            at,
            field: None,
            message,
            line: line.map(printable).unwrap_or_default(),
            help,
        }
    }
}

impl From<Diagnostic> for ConfigError {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::Invalid(vec![diagnostic])
    }
}

fn join(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(Diagnostic::to_string).collect::<Vec<_>>().join("\n")
}

/// The text before the caret: TABs stay TABs, so that the caret lines up on any terminal.
fn caret_indent(line: &str, column: usize) -> String {
    let mut before: String =
        line.chars().take(column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    let missing = (column - 1).saturating_sub(before.chars().count());
    before.extend(std::iter::repeat_n(' ', missing));
    before
}

/// Keeps hostile bytes of a file from reaching the operator's terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_under_the_column_whatever_the_indentation() {
        let source = Source { file: "conf", text: "a\n\tbind x:0\n" };
        let at = Some(Pos { line: 2, column: 7 });
        let shown = source.diagnostic(at, "bad".into(), "fix it".into()).to_string();
        assert_eq!(shown, "conf:2:7: bad\n  2 | \tbind x:0\n    | \t     ^\n  help: fix it");
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(printable("a\u{1b}[2J\tb"), "a\u{fffd}[2J\tb");
    }

    #[test]
    fn a_position_past_the_end_of_the_line_still_prints() {
        assert_eq!(caret_indent("ab", 5), "    ");
    }
}
