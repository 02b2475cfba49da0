use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{Error, Namespace, Process, sandbox};

/// Loading and verifying the BPF programs takes a moment on a slow machine.
const READY: Duration = Duration::from_secs(120);

/// The `qlb` program, driven as an operator would: by its command line.
#[derive(Clone, Debug)]
pub struct Qlb {
    program: PathBuf,
}

impl Qlb {
    /// Finds the program: `$QLB_BIN`, else `qlb` in a directory above the running executable
    /// (`target/release` for a test in `target/release/deps`).
    ///
    /// # Errors
    /// [`Error::Unexpected`] when it is not there, with what to do.
    pub fn find() -> Result<Self, Error> {
        let chosen = env::var_os("QLB_BIN").map(PathBuf::from);
        let beside = || {
            let exe = env::current_exe().ok()?;
            exe.ancestors().skip(1).take(2).map(|dir| dir.join("qlb")).find(|path| path.is_file())
        };
        match chosen.or_else(beside) {
            Some(program) if program.is_file() => Ok(Self { program }),
            missing => Err(Error::Unexpected {
                what: "the qlb program; build it with `cargo build --release` or set QLB_BIN"
                    .into(),
                found: format!("{missing:?}"),
            }),
        }
    }

    /// The program at `path`.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { program: path.into() }
    }

    /// Path of the program.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Starts `qlb run FILE..` (options may stand among the files) in the sandbox's root namespace and waits for the line `ready` on
    /// its stdout. Dropping the answer stops it with SIGTERM.
    ///
    /// # Errors
    /// [`Error::Program`] with its words when it ends instead, [`Error::NeverTrue`] after 30 s.
    pub fn run<S: AsRef<OsStr>>(
        &self,
        files: impl IntoIterator<Item = S>,
    ) -> Result<Process, Error> {
        sandbox::require()?;
        let command = Namespace::root()?.command(&self.program).arg("run").args(files);
        let mut process = Process::spawn(command)?;
        let ready = |process: &Process| {
            let stdout = process.stdout();
            stdout.lines().any(|line| line.split(' ').next() == Some("ready")).then_some(())
        };
        process.wait_ready(ready, READY, "qlb ready")?;
        Ok(process)
    }

    /// Starts `qlb agent` in the sandbox's root namespace on a directory of desired state and waits for the line `ready` on its
    /// stdout. Dropping the answer stops it with SIGTERM, which leaves its pools served.
    ///
    /// # Errors
    /// As for [`Qlb::run`].
    pub fn agent<S: AsRef<OsStr>>(
        &self,
        state_dir: &Path,
        options: impl IntoIterator<Item = S>,
    ) -> Result<Process, Error> {
        sandbox::require()?;
        let command = Namespace::root()?.command(&self.program).args(["agent", "--state-dir"]);
        let mut process = Process::spawn(command.arg(state_dir).args(options))?;
        let ready = |process: &Process| process.stdout().starts_with("ready ").then_some(());
        process.wait_ready(ready, READY, "qlb agent ready")?;
        Ok(process)
    }

    /// Runs a command of `qlb` to its end and returns its stdout.
    ///
    /// # Errors
    /// [`Error::Program`] with its words when it does not end with 0.
    pub fn command<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
    ) -> Result<String, Error> {
        Namespace::root()?.command(&self.program).args(args).stdout()
    }

    /// As [`Qlb::command`], for commands that answer in JSON.
    ///
    /// # Errors
    /// As for [`Qlb::command`]; [`Error::Unexpected`] when the answer is not JSON.
    pub fn json<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
    ) -> Result<serde_json::Value, Error> {
        let text = self.command(args)?;
        serde_json::from_str(&text).map_err(|error| Error::Unexpected {
            what: format!("JSON from qlb ({error})"),
            found: text,
        })
    }
}
