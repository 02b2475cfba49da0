//! Compilers managed by rustup: the pinned nightly, or the one called `nightly` when it fits.

use std::path::PathBuf;
use std::process::Command;

use super::{Compiler, inspect};
use crate::{env, exec};

/// The nightly this workspace is built and tested with.
pub(crate) const PINNED: &str = "nightly-2026-05-20";
/// LLVM major of [`PINNED`]. A plain `nightly` of another major is too far from what was tested.
const PINNED_LLVM: u32 = 22;
/// Seconds rustup may take to download and unpack [`PINNED`] (about 150 MB).
const PATIENCE: &str = "900";

/// What rustup has, best first. Directories are read rather than rustup asked: `rustup run` may install things.
pub(crate) fn candidates() -> Vec<Result<Compiler, String>> {
    let plain = installed("nightly").and_then(|compiler| match compiler.llvm {
        PINNED_LLVM => Ok(compiler),
        other => Err(format!("nightly is built on LLVM {other}, not {PINNED_LLVM}")),
    });
    vec![installed(PINNED), plain]
}

/// Asks rustup for [`PINNED`]; `why` nothing else would do. False if there is no rustup or it could not.
pub(crate) fn install(why: &str) -> bool {
    let Some(rustup) = env::which("rustup") else { return false };
    let mut command = Command::new("timeout");
    env::isolate(&mut command);
    // A failure is usually just "no network": its message is enough.
    command.env_remove("RUST_BACKTRACE");
    // In the foreground, so that Ctrl-C reaches rustup too.
    command.args(["--foreground", PATIENCE]).arg(rustup).args(ARGS);
    exec::step(&format!("rustup toolchain {PINNED} with core sources"), why, || {
        exec::logged(&mut command, &env::log("rustup"))
    })
    .inspect_err(|error| eprintln!("xtask: {error:#}"))
    .is_ok()
}

/// The command a user would type to get [`PINNED`].
pub(crate) fn install_line() -> String {
    format!("rustup {}", ARGS.join(" "))
}

const ARGS: [&str; 8] = [
    "toolchain",
    "install",
    PINNED,
    "--profile",
    "minimal",
    "--component",
    "rust-src,clippy",
    "--no-self-update",
];

fn installed(name: &str) -> Result<Compiler, String> {
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    inspect(name, &home().join("toolchains").join(format!("{name}-{host}")), false)
}

fn home() -> PathBuf {
    match std::env::var_os("RUSTUP_HOME") {
        Some(home) => PathBuf::from(home),
        None => std::env::home_dir().unwrap_or_default().join(".rustup"),
    }
}
