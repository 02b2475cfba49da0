//! Who may do what only root may.

use std::ffi::OsStr;
use std::process::Command;

use anyhow::{Result, bail};
use nix::unistd::geteuid;

use crate::env;

/// How this process can run a command as root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Privilege {
    /// It is root.
    Root,
    /// Through `sudo`, which may ask for a password.
    Sudo,
    /// It cannot.
    None,
}

impl Privilege {
    /// Looks at the effective user and for `sudo`.
    pub(crate) fn find() -> Self {
        if geteuid().is_root() {
            Self::Root
        } else if env::which("sudo").is_some() {
            Self::Sudo
        } else {
            Self::None
        }
    }

    /// The words to put before a command, or an error naming `purpose`.
    pub(crate) fn prefix(self, purpose: &str) -> Result<&'static [&'static str]> {
        match self {
            Self::Root => Ok(&[]),
            Self::Sudo => Ok(&["sudo", "-E"]),
            Self::None => {
                bail!("{purpose} needs root, and there is no sudo: run this again as root")
            }
        }
    }

    /// `program` as root, keeping the environment.
    pub(crate) fn command(self, program: impl AsRef<OsStr>, purpose: &str) -> Result<Command> {
        let mut words = self.prefix(purpose)?.iter();
        let Some(first) = words.next() else { return Ok(Command::new(program)) };
        let mut command = Command::new(first);
        command.args(words).arg(program);
        Ok(command)
    }
}
