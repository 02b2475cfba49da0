//! `load`: becomes `qlb run`.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::privilege::Privilege;
use crate::{build, env};

/// Builds, then replaces xtask by `qlb run ARGS`; returns only on failure.
pub(crate) fn run(args: &[OsString]) -> Result<ExitCode> {
    build::qlb()?;
    let qlb = env::binary("qlb");
    let mut command = Privilege::find().command(&qlb, "loading BPF programs")?;
    let error = command.arg("run").args(args).exec();
    Err(error).with_context(|| format!("cannot start {}", qlb.display()))
}
