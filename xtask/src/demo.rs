//! `demo`: the demonstration, inside the sandbox that hides it from the rest of the machine.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;

use crate::privilege::Privilege;
use crate::toolchain::packages;
use crate::{build, env, exec};

/// Builds, then runs the demonstration to its end and returns its exit code.
pub(crate) fn run(args: &[OsString]) -> Result<ExitCode> {
    let mut command = Privilege::find().command(env::binary("qlb-sandbox"), "the demonstration")?;
    packages::ensure(&packages::RUN, "clients, members and measuring tools of the demonstration")?;
    build::qlb()?;
    build::sandbox()?;
    command.arg(env::binary("qlb-demo")).args(args).env("QLB_BIN", env::binary("qlb"));
    exec::code(&mut command)
}
