//! The lint tier: formatting and clippy, each counted as one check.

use std::process::Command;

use anyhow::Result;

use super::report::Outcome;
use crate::toolchain::Toolchain;
use crate::{env, exec, object};

/// What is run, and what it checks.
const CHECKS: [(&str, &[&str]); 2] = [
    ("formatting", &["fmt", "--all", "--check"]),
    (
        "clippy",
        &[
            "clippy",
            "--release",
            "--workspace",
            "--exclude",
            "lb-ebpf",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ],
    ),
];

pub(super) fn run(toolchain: &Toolchain) -> Result<Outcome> {
    provide()?;
    let mut outcome = Outcome::default();
    let host = CHECKS.map(|(what, args)| {
        let mut command = env::host_cargo();
        command.args(args);
        (what, command)
    });
    for (what, mut command) in
        host.into_iter().chain([("clippy of lb-ebpf", object::clippy(toolchain))])
    {
        eprintln!("xtask: {what}");
        if exec::status(&mut command)?.success() {
            outcome.passed += 1;
        } else {
            outcome.fail(what);
        }
    }
    Ok(outcome)
}

/// rustup's minimal profile has neither rustfmt nor clippy.
fn provide() -> Result<()> {
    let lacks = |tool: &&str| exec::captured(env::host_cargo().args([tool, "--version"])).is_none();
    let missing: Vec<&str> = ["fmt", "clippy"].into_iter().filter(lacks).collect();
    let Some(rustup) = env::which("rustup").filter(|_| !missing.is_empty()) else { return Ok(()) };
    let mut command = Command::new(rustup);
    command.args(["component", "add", "rustfmt", "clippy"]);
    exec::step("rustup component add rustfmt clippy", "this toolchain lacks them", || {
        exec::logged(&mut command, &env::log("rustup-component"))
    })
}
