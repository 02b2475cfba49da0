//! Where things are, and what children may inherit from the `cargo run` that started xtask.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::exec;

/// The workspace root.
pub(crate) fn root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

/// The target directory. Always the workspace's own: `lb-userspace/build.rs` looks for the BPF object there.
pub(crate) fn target() -> PathBuf {
    root().join("target")
}

/// A binary built by [`crate::build`].
pub(crate) fn binary(name: &str) -> PathBuf {
    target().join("release").join(name)
}

/// Where the output of quiet steps is kept.
pub(crate) fn log(name: &str) -> PathBuf {
    target().join("tools").join("log").join(format!("{name}.log"))
}

/// The file a command name stands for, looking where root's daemons live as well.
pub(crate) fn which(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let dirs = env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    dirs.map(|dir| dir.join(name)).find(|file| file.is_file())
}

/// The cargo that started xtask, for this machine's own code, in the workspace root.
///
/// The toolchain (`RUSTUP_TOOLCHAIN`) and the user's flags stay as they were; what `cargo run` told xtask about xtask
/// goes, so that builds here and builds by hand share their results. It ends with xtask, and with it the sandbox of the
/// test that it runs.
pub(crate) fn host_cargo() -> Command {
    let mut command = exec::mortal(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    remove(&mut command, |name| about_xtask(name) || name.ends_with("TARGET_DIR"));
    command.env("CARGO_TARGET_DIR", target()).current_dir(root());
    command
}

/// Removes from `command` everything the outer cargo, rustup or the user chose for host builds.
pub(crate) fn isolate(command: &mut Command) {
    remove(command, |name| about_xtask(name) || about_host_builds(name));
}

fn remove(command: &mut Command, unwanted: impl Fn(&str) -> bool) {
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(&unwanted) {
            command.env_remove(name);
        }
    }
    if let Some(path) = env::var_os("LD_LIBRARY_PATH") {
        let kept: Vec<PathBuf> =
            env::split_paths(&path).filter(|dir| !added_by_cargo(dir)).collect();
        match env::join_paths(kept) {
            Ok(kept) if !kept.is_empty() => command.env("LD_LIBRARY_PATH", kept),
            Ok(_) | Err(_) => command.env_remove("LD_LIBRARY_PATH"),
        };
    }
}

/// `cargo run` puts its own build directory and the toolchain's libraries in front of the library path.
fn added_by_cargo(dir: &Path) -> bool {
    let xtask = env::current_exe().unwrap_or_default();
    dir.as_os_str().is_empty()
        || xtask.parent().is_some_and(|build| dir.starts_with(build))
        || dir
            .components()
            .any(|part| part.as_os_str() == "toolchains" || part.as_os_str() == "rustlib")
}

fn about_xtask(name: &str) -> bool {
    let prefixes = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CFG_", "CARGO_FEATURE_"];
    let exact =
        ["CARGO", "CARGO_MAKEFLAGS", "CARGO_PRIMARY_PACKAGE", "CARGO_CRATE_NAME", "OUT_DIR"];
    exact.contains(&name) || prefixes.iter().any(|prefix| name.starts_with(prefix))
}

fn about_host_builds(name: &str) -> bool {
    let prefixes = [
        "CARGO_BUILD_",
        "CARGO_ENCODED_",
        "CARGO_PROFILE_",
        "CARGO_TARGET_",
        "CARGO_UNSTABLE_",
        "RUSTC",
    ];
    let exact = [
        "CARGO_INCREMENTAL",
        "RUSTDOC",
        "RUSTDOCFLAGS",
        "RUSTFLAGS",
        "RUSTUP_TOOLCHAIN",
        "RUSTUP_TOOLCHAIN_SOURCE",
    ];
    name != "CARGO_BUILD_JOBS"
        && (exact.contains(&name) || prefixes.iter().any(|prefix| name.starts_with(prefix)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_build_choices_do_not_reach_the_bpf_build() {
        for name in [
            "RUSTC",
            "RUSTC_WRAPPER",
            "RUSTFLAGS",
            "RUSTUP_TOOLCHAIN",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_INCREMENTAL",
        ] {
            assert!(about_host_builds(name), "{name}");
        }
        for name in ["CARGO", "CARGO_PKG_NAME", "CARGO_MANIFEST_DIR"] {
            assert!(about_xtask(name), "{name}");
        }
    }

    #[test]
    fn where_and_how_to_download_is_kept() {
        for name in [
            "CARGO_HOME",
            "RUSTUP_HOME",
            "CARGO_HTTP_PROXY",
            "CARGO_NET_OFFLINE",
            "CARGO_BUILD_JOBS",
            "CARGO_TERM_COLOR",
        ] {
            assert!(!about_host_builds(name) && !about_xtask(name), "{name}");
        }
    }
}
