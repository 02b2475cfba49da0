//! `build`: the BPF object, then what carries or uses it.

use std::process::ExitCode;

use anyhow::Result;

use crate::toolchain::Toolchain;
use crate::{env, exec, object, toolchain};

/// The BPF object and the `qlb` command.
pub(crate) fn all() -> Result<ExitCode> {
    qlb()?;
    println!("{}", env::binary("qlb").display());
    Ok(ExitCode::SUCCESS)
}

/// `target/release/qlb` with an up-to-date BPF object inside.
pub(crate) fn qlb() -> Result<Toolchain> {
    let toolchain = toolchain::ensure()?;
    object::build(&toolchain)?;
    exec::run(env::host_cargo().args([
        "build",
        "--release",
        "--locked",
        "--package",
        "lb-userspace",
    ]))?;
    Ok(toolchain)
}

/// The sandbox and the demonstration, both of the tests crate.
pub(crate) fn sandbox() -> Result<()> {
    exec::run(env::host_cargo().args([
        "build",
        "--release",
        "--locked",
        "--package",
        "lb-tests",
        "--bins",
    ]))
}
