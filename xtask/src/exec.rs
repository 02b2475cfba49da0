//! Running children: shown, logged, captured, and how a failure of theirs is told.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::signals;

/// Lines of a log shown when the command that wrote it failed.
const TAIL: usize = 25;

/// Runs `command` on our own standard streams.
pub(crate) fn status(command: &mut Command) -> Result<ExitStatus> {
    let mut child = command.spawn().with_context(|| format!("cannot start {}", shown(command)))?;
    signals::wait(&mut child)
}

/// As [`status`], but a failure is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = status(command)?;
    if !status.success() {
        bail!("{} failed ({status})", shown(command));
    }
    Ok(())
}

/// As [`run`], with both output streams in the file `log`, whose end becomes part of the error.
pub(crate) fn logged(command: &mut Command, log: &Path) -> Result<()> {
    if let Some(parent) = log.parent() {
        fs::create_dir_all(parent)
            .with_context(|| format!("cannot create {}", parent.display()))?;
    }
    let out = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let err = out.try_clone().context("cannot share a log file")?;
    let status = status(command.stdin(Stdio::null()).stdout(out).stderr(err))?;
    if !status.success() {
        let text = fs::read(log).unwrap_or_default();
        bail!(
            "{} failed ({status}); the end of {}:\n{}",
            shown(command),
            log.display(),
            tail(&String::from_utf8_lossy(&text), TAIL)
        );
    }
    Ok(())
}

/// Standard output of a short command, or `None` if it could not be started or failed.
pub(crate) fn captured(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Says what is being done and why, does it, and ends the line with the time it took.
///
/// `action` must keep quiet: its children write to logs.
pub(crate) fn step<T>(what: &str, why: &str, action: impl FnOnce() -> Result<T>) -> Result<T> {
    eprint!("xtask: {what} ({why}) ... ");
    let start = Instant::now();
    let result = action();
    let seconds = start.elapsed().as_secs_f64();
    match &result {
        Ok(_) => eprintln!("{seconds:.1} s"),
        Err(_) => eprintln!("failed after {seconds:.1} s"),
    }
    result
}

/// The command as a user would type it.
fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn tail(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(count);
    lines.get(from..).unwrap_or_default().iter().map(|line| format!("    {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tail_keeps_the_last_lines() {
        assert_eq!(tail("a\nb\nc\n", 2), "    b\n    c\n");
        assert_eq!(tail("a\n", 2), "    a\n");
        assert_eq!(tail("", 2), "");
    }

    #[test]
    fn captured_is_nothing_on_failure() {
        assert_eq!(captured(Command::new("printf").arg("x")), Some("x".to_owned()));
        assert_eq!(captured(&mut Command::new("false")), None);
        assert_eq!(captured(&mut Command::new("/nonexistent/command")), None);
    }
}
