//! Completions and manual pages, made from what can be typed.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::Context as _;
use clap::CommandFactory as _;

use super::Args;

/// Prints the completions of a shell.
pub(super) fn completions(shell: clap_complete::Shell, out: &mut impl Write) {
    clap_complete::generate(shell, &mut Args::command(), "qlb", out);
}

/// Writes a page for the program, and one for each command.
pub(super) fn pages(dir: &Path) -> anyhow::Result<()> {
    let what = || format!("cannot write manual pages to {}", dir.display());
    fs::create_dir_all(dir).with_context(what)?;
    clap_mangen::generate_to(Args::command(), dir).with_context(what)
}
