//! The BPF objects: lb-ebpf compiled for `bpfel-unknown-none` together with core.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::toolchain::Toolchain;
use crate::{env, exec};

const TARGET: &str = "bpfel-unknown-none";
const PROFILE: &str = "bpf";
/// The oldest kernels we attach to know all of BPF's v3 instructions (32-bit jumps and arithmetic; Linux 5.1).
const CPU: &str = "v3";

/// The object with the datapath, the one that devices begin with which share it, and the one that the bench compares
/// with.
const OBJECTS: [&str; 3] = ["lb-ebpf", "lb-enter", "lb-hairpin"];

/// Where the object with the datapath is. `lb-userspace/build.rs` names the same place.
pub(crate) fn path() -> PathBuf {
    built(OBJECTS[0])
}

/// Where the bench's own object is.
pub(crate) fn hairpin() -> PathBuf {
    built(OBJECTS[2])
}

fn built(object: &str) -> PathBuf {
    env::target().join("bpf").join(TARGET).join(PROFILE).join(object)
}

/// Brings the objects up to date.
pub(crate) fn build(toolchain: &Toolchain) -> Result<()> {
    let mut command = command(toolchain, Command::new(&toolchain.compiler.cargo), "build");
    exec::run(&mut command).context(
        "the BPF object was not built (the first time, cargo fetches core's own crates)",
    )?;
    for object in OBJECTS.map(built) {
        if !object.is_file() {
            bail!(
                "cargo built lb-ebpf but {} is not there: remove target/bpf and build again",
                object.display()
            );
        }
    }
    Ok(())
}

/// Clippy for the object's crate: the compiler's own, because the host's knows neither the
/// target nor its assembly.
pub(crate) fn clippy(toolchain: &Toolchain) -> Command {
    let cargo = &toolchain.compiler.cargo;
    let mut command =
        command(toolchain, Command::new(cargo.with_file_name("cargo-clippy")), "clippy");
    command.env("CARGO", cargo).args(["--", "-D", "warnings"]);
    command
}

/// `tool` with the words and settings that every use of the compiler on lb-ebpf needs.
fn command(toolchain: &Toolchain, tool: Command, verb: &str) -> Command {
    let compiler = &toolchain.compiler;
    let mut command = tool;
    env::isolate(&mut command);
    command.env("RUSTC", &compiler.rustc);
    if compiler.bootstrap {
        command.env("RUSTC_BOOTSTRAP", "1");
    }
    // Encoded, because the path of the linker may hold spaces.
    command.env("CARGO_ENCODED_RUSTFLAGS", flags(toolchain).join("\x1f"));
    command.args([
        verb,
        "--locked",
        "--package",
        "lb-ebpf",
        "--profile",
        PROFILE,
        "--target",
        TARGET,
    ]);
    command.args(["-Z", "build-std=core", "--target-dir"]).arg(env::target().join("bpf"));
    command.current_dir(env::root());
    command
}

fn flags(toolchain: &Toolchain) -> [String; 10] {
    // `-C link-arg=--btf` turns debug info into BTF, which CO-RE, BTF maps and `bpftool prog dump` need.
    [
        "-C".to_owned(),
        format!("linker={}", toolchain.linker.display()),
        "-C".to_owned(),
        format!("target-cpu={CPU}"),
        "-C".to_owned(),
        "link-arg=--btf".to_owned(),
        "-C".to_owned(),
        // Else each memory of a few bytes is cleared by a call that clears it byte by byte.
        "link-arg=--disable-expand-memcpy-in-order".to_owned(),
        "--cfg".to_owned(),
        format!("bpf_target_arch=\"{}\"", std::env::consts::ARCH),
    ]
}
