use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::error::Context;
use crate::namespace::failed;
use crate::{Error, NsCommand, wait_for, wait_until};

/// How long a process may take to end after SIGTERM before it is killed.
const GRACE: Duration = Duration::from_secs(10);

/// A process in a process group of its own. Dropping it ends the group (SIGTERM, then SIGKILL) and
/// reaps it. Its stdout and stderr go to files, so it can never block on them.
#[derive(Debug)]
pub struct Process {
    line: String,
    child: Child,
    ended: Option<ExitStatus>,
    dir: TempDir,
}

impl Process {
    /// Starts `command`.
    ///
    /// # Errors
    /// [`Error::Io`] when the program cannot be started.
    pub fn spawn(command: NsCommand) -> Result<Self, Error> {
        let line = command.line();
        let what = || format!("files for the output of {line}");
        let dir = tempfile::tempdir().context(what)?;
        let stdout = File::create(dir.path().join("stdout")).context(what)?;
        let stderr = File::create(dir.path().join("stderr")).context(what)?;
        let child = command
            .configure(|command| {
                command.stdout(Stdio::from(stdout)).stderr(Stdio::from(stderr)).process_group(0);
            })
            .spawn()?;
        Ok(Self { line, child, ended: None, dir })
    }

    /// Process id, also the id of its group.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where stdout goes.
    #[must_use]
    pub fn stdout_path(&self) -> PathBuf {
        self.dir.path().join("stdout")
    }

    /// What it has written to stdout so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        read(&self.stdout_path())
    }

    /// What it has written to stderr so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        read(&self.dir.path().join("stderr"))
    }

    /// Waits until `ready` yields a value; fails at once if the process ends before.
    ///
    /// # Errors
    /// [`Error::Program`] with its output if it ended, [`Error::NeverTrue`] at the deadline.
    pub fn wait_ready<T>(
        &mut self,
        mut ready: impl FnMut(&Self) -> Option<T>,
        deadline: Duration,
        what: &str,
    ) -> Result<T, Error> {
        let what = format!("{what} ({})", self.line);
        wait_for(
            || {
                if let Some(value) = ready(self) {
                    return Ok(Ok(value));
                }
                match self.poll() {
                    Ok(None) => Err(self.stderr()),
                    Ok(Some(status)) => Ok(Err(self.failure(status))),
                    Err(error) => Ok(Err(error)),
                }
            },
            deadline,
            &what,
        )?
    }

    /// Sends a signal to the whole group.
    ///
    /// # Errors
    /// [`Error::Io`] when the group is gone.
    pub fn signal(&self, signal: Signal) -> Result<(), Error> {
        killpg(Pid::from_raw(self.child.id().cast_signed()), signal)
            .context(|| format!("sending {signal} to {}", self.line))
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// [`Error::NeverTrue`] at the deadline.
    pub fn wait(&mut self, deadline: Duration) -> Result<ExitStatus, Error> {
        let what = format!("end of {}", self.line);
        wait_for(
            || self.poll().map_err(|error| error.to_string())?.ok_or(self.stderr()),
            deadline,
            &what,
        )
    }

    /// Sends `signal` and waits for the end.
    ///
    /// # Errors
    /// As for [`Process::signal`] and [`Process::wait`].
    pub fn stop(&mut self, signal: Signal, deadline: Duration) -> Result<ExitStatus, Error> {
        if let Some(status) = self.poll()? {
            return Ok(status);
        }
        self.signal(signal)?;
        self.wait(deadline)
    }

    /// Its end if it has ended.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be waited for.
    pub fn poll(&mut self) -> Result<Option<ExitStatus>, Error> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().context(|| format!("waiting for {}", self.line))?;
        }
        Ok(self.ended)
    }

    /// The error for a process that has ended though it should not have.
    #[must_use]
    pub fn failure(&self, status: ExitStatus) -> Error {
        failed(self.line.clone(), status, format!("{}{}", self.stdout(), self.stderr()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended.is_none() {
            let _ = self.signal(Signal::SIGTERM);
            let ended = || matches!(self.child.try_wait(), Ok(Some(_)));
            let _ = wait_until(ended, GRACE, "end after SIGTERM");
        }
        // Also when the leader has ended: what it started and left in its group goes too.
        let _ = self.signal(Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

fn read(path: &PathBuf) -> String {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}
