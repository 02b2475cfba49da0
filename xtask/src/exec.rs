//! Running children: shown, logged, captured, and how a failure of theirs is told.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::signals;

/// Lines of a log shown when the command that wrote it failed.
const TAIL: usize = 25;

/// `program`, which gets SIGTERM when the thread that starts it ends, killed or not: what it is doing is of use to nobody
/// then, and what it runs may hold namespaces. Through setpriv(1), which is essential on Debian; a set-user-ID program
/// like sudo takes the request back (prctl(2), `PR_SET_PDEATHSIG`).
pub(crate) fn mortal(program: impl AsRef<OsStr>) -> Command {
    let [first, words @ ..] = MORTAL;
    let mut command = Command::new(first);
    command.args(words).arg(program);
    command
}

/// The words in front of a program that make it so.
pub(crate) const MORTAL: [&str; 3] = ["setpriv", "--pdeathsig", "TERM"];

/// Runs `command` on our own standard streams.
pub(crate) fn status(command: &mut Command) -> Result<ExitStatus> {
    let mut child = command.spawn().with_context(|| format!("cannot start {}", shown(command)))?;
    signals::wait(&mut child)
}

/// As [`status`], as an exit code of our own.
pub(crate) fn code(command: &mut Command) -> Result<ExitCode> {
    let code = status(command)?.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
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
    use std::io::{BufRead as _, BufReader};
    use std::os::unix::process::ExitStatusExt as _;
    use std::thread;

    use nix::sys::signal::Signal;

    use super::*;

    #[test]
    fn tail_keeps_the_last_lines() {
        assert_eq!(tail("a\nb\nc\n", 2), "    b\n    c\n");
        assert_eq!(tail("a\n", 2), "    a\n");
        assert_eq!(tail("", 2), "");
    }

    #[test]
    fn what_is_mortal_does_not_outlive_who_started_it() {
        let start = || {
            let mut command = mortal("sh");
            command.args(["-c", "echo started; exec sleep 60"]).stdout(Stdio::piped());
            let mut child = command.spawn().unwrap();
            let mut line = String::new();
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
            assert_eq!(line, "started\n");
            child
        };
        let ended = thread::spawn(start).join().unwrap().wait().unwrap();
        assert_eq!(ended.signal(), Some(Signal::SIGTERM as i32));
    }

    #[test]
    fn captured_is_nothing_on_failure() {
        assert_eq!(captured(Command::new("printf").arg("x")), Some("x".to_owned()));
        assert_eq!(captured(&mut Command::new("false")), None);
        assert_eq!(captured(&mut Command::new("/nonexistent/command")), None);
    }
}
