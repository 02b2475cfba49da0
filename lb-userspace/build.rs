//! Hands the BPF object built by `cargo xtask build` to the crate, as `OUT_DIR/lb-ebpf.o`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

/// Relative to the workspace root; xtask's `object.rs` names the same place.
const OBJECT: &str = "target/bpf/bpfel-unknown-none/bpf/lb-ebpf";

fn main() -> ExitCode {
    let dir = |name| env::var_os(name).map(PathBuf::from).unwrap_or_default();
    let object = dir("CARGO_MANIFEST_DIR").join("..").join(OBJECT);
    println!("cargo::rerun-if-changed={}", object.display());
    match copy(&object, &dir("OUT_DIR").join("lb-ebpf.o")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("cargo::error={error}");
            ExitCode::FAILURE
        }
    }
}

fn copy(object: &Path, to: &Path) -> Result<(), String> {
    if !object.is_file() {
        return Err(format!("the BPF object {OBJECT} is missing: run `cargo xtask build`"));
    }
    fs::copy(object, to)
        .map(drop)
        .map_err(|error| format!("cannot copy {OBJECT} to {}: {error}", to.display()))
}
