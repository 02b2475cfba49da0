//! Hands the BPF objects built by `cargo xtask build` to the crate, as `OUT_DIR/lb-ebpf.o` and `OUT_DIR/lb-enter.o`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

/// Relative to the workspace root; xtask's `object.rs` names the same place.
const OBJECTS: &str = "target/bpf/bpfel-unknown-none/bpf";

fn main() -> ExitCode {
    let dir = |name| env::var_os(name).map(PathBuf::from).unwrap_or_default();
    let objects = dir("CARGO_MANIFEST_DIR").join("..").join(OBJECTS);
    for name in ["lb-ebpf", "lb-enter"] {
        let object = objects.join(name);
        println!("cargo::rerun-if-changed={}", object.display());
        if let Err(error) = copy(&object, &dir("OUT_DIR").join(format!("{name}.o"))) {
            println!("cargo::error={error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn copy(object: &Path, to: &Path) -> Result<(), String> {
    if !object.is_file() {
        let missing = object.display();
        return Err(format!("the BPF object {missing} is missing: run `cargo xtask build`"));
    }
    fs::copy(object, to)
        .map(drop)
        .map_err(|error| format!("cannot copy {} to {}: {error}", object.display(), to.display()))
}
