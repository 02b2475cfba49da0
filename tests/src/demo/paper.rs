//! What the reader sees.

use std::env;
use std::io::{self, IsTerminal, Write, stdout};

use super::table::Table;

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[1;31m";
const PLAIN: &str = "\x1b[0m";

/// The story's only way to stdout. Every line leaves at once: a reader follows it live.
#[derive(Debug)]
pub(super) struct Paper {
    colour: bool,
    chapter: u8,
}

impl Paper {
    /// In colour on a terminal, unless NO_COLOR (no-color.org) or TERM=dumb say otherwise.
    pub(super) fn new() -> Self {
        let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { colour: stdout().is_terminal() && !refused, chapter: 0 }
    }

    pub(super) fn title(&self, text: &str) -> io::Result<()> {
        self.write(0, BOLD, text)
    }

    /// Opens the next numbered chapter.
    pub(super) fn chapter(&mut self, text: &str) -> io::Result<()> {
        self.chapter += 1;
        writeln!(stdout())?;
        self.write(0, BOLD, &format!("{}  {text}", self.chapter))
    }

    pub(super) fn line(&self, text: &str) -> io::Result<()> {
        self.write(3, "", text)
    }

    /// A command as the reader could type it.
    pub(super) fn command(&self, text: &str) -> io::Result<()> {
        self.write(3, BOLD, &format!("$ {text}"))
    }

    /// What a program printed, as it printed it.
    pub(super) fn verbatim(&self, text: &str) -> io::Result<()> {
        text.lines().try_for_each(|line| self.write(5, "", line))
    }

    pub(super) fn table(&self, table: &Table) -> io::Result<()> {
        let lines = table.lines();
        let styles = std::iter::once(DIM).chain(std::iter::repeat(""));
        lines.iter().zip(styles).try_for_each(|(line, style)| self.write(3, style, line))
    }

    /// A line of column headings.
    pub(super) fn columns(&self, text: &str) -> io::Result<()> {
        self.write(3, DIM, text)
    }

    pub(super) fn good(&self, text: &str) -> io::Result<()> {
        self.write(3, GREEN, text)
    }

    pub(super) fn bad(&self, text: &str) -> io::Result<()> {
        self.write(3, RED, text)
    }

    pub(super) fn blank(&self) -> io::Result<()> {
        writeln!(stdout())
    }

    fn write(&self, indent: usize, style: &str, text: &str) -> io::Result<()> {
        let mut out = stdout().lock();
        let text = text.trim_end();
        if self.colour && !style.is_empty() {
            writeln!(out, "{:indent$}{style}{text}{PLAIN}", "")
        } else {
            writeln!(out, "{:indent$}{text}", "")
        }
    }
}
