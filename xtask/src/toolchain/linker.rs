//! bpf-linker, built against the LLVM of the compiler whose bitcode it reads.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{Compiler, packages};
use crate::{env, exec};

/// The bpf-linker release this workspace is built and tested with.
pub(crate) const VERSION: &str = "0.13.0";

/// The linker for LLVM `major` if it is there and runs.
pub(crate) fn find(major: u32) -> Option<PathBuf> {
    let home = home(major);
    let binary = home.join("bin/bpf-linker");
    // The marker is written last; the run finds out when LLVM's library was removed since.
    (home.join(MARKER).is_file() && runs(&binary)).then_some(binary)
}

/// Finds the linker or builds it.
pub(crate) fn ensure(compiler: &Compiler) -> Result<PathBuf> {
    let major = compiler.llvm;
    if let Some(linker) = find(major) {
        return Ok(linker);
    }
    let given = std::env::var_os("LLVM_PREFIX").map(PathBuf::from);
    if given.is_none() {
        packages::ensure(
            &packages::linker(major),
            &format!("to build bpf-linker for LLVM {major}"),
        )?;
    }
    let prefix = given.unwrap_or_else(|| PathBuf::from(format!("/usr/lib/llvm-{major}")));
    let why = format!("it must match the compiler's LLVM {major}");
    exec::step(&format!("cargo install bpf-linker {VERSION}"), &why, || install(major, &prefix))
}

fn install(major: u32, prefix: &Path) -> Result<PathBuf> {
    let home = home(major);
    let marker = home.join(MARKER);
    if marker.exists() {
        fs::remove_file(&marker).with_context(|| format!("cannot remove {}", marker.display()))?;
    }
    // Built in a fixed place, so that a run that was stopped is continued by the next.
    let work = home.join("build");
    let mut cargo = env::host_cargo();
    cargo.env("LLVM_PREFIX", prefix).env("CARGO_TARGET_DIR", &work);
    cargo.args([
        "install",
        "bpf-linker",
        "--version",
        VERSION,
        "--locked",
        "--force",
        "--no-default-features",
    ]);
    cargo.args(["--features", &format!("llvm-{major}"), "--root"]).arg(&home);
    exec::logged(&mut cargo, &env::log("bpf-linker"))?;
    let binary = home.join("bin/bpf-linker");
    anyhow::ensure!(runs(&binary), "{} was built but does not run", binary.display());
    fs::write(&marker, "").with_context(|| format!("cannot write {}", marker.display()))?;
    fs::remove_dir_all(&work).with_context(|| format!("cannot remove {}", work.display()))?;
    Ok(binary)
}

const MARKER: &str = ".complete";

fn home(major: u32) -> PathBuf {
    env::target().join("tools").join(format!("bpf-linker-{VERSION}-llvm{major}"))
}

fn runs(binary: &Path) -> bool {
    exec::captured(Command::new(binary).arg("--version")).is_some_and(|text| text.contains(VERSION))
}
