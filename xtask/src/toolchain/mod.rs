//! What building the BPF side needs: a compiler that can build core for BPF and a linker of the same LLVM.

pub(crate) mod apt;
pub(crate) mod debian;
mod guard;
pub(crate) mod linker;
pub(crate) mod packages;
pub(crate) mod rustup;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::{env, exec};

/// LLVM majors the pinned bpf-linker can be built against.
pub(crate) const LLVM: std::ops::RangeInclusive<u32> = 21..=23;
/// Minor version of the oldest rustc 1.x the workspace accepts (`rust-version`).
const OLDEST_MINOR: u32 = 95;

/// All that [`crate::object`] needs.
pub(crate) struct Toolchain {
    pub(crate) compiler: Compiler,
    /// Absolute path of bpf-linker.
    pub(crate) linker: PathBuf,
}

/// A compiler with core's sources.
#[derive(Debug)]
pub(crate) struct Compiler {
    pub(crate) cargo: PathBuf,
    pub(crate) rustc: PathBuf,
    /// A stable compiler, which must be told to accept unstable options.
    pub(crate) bootstrap: bool,
    /// Major version of its LLVM.
    pub(crate) llvm: u32,
    /// Where it comes from and its version, for people.
    pub(crate) name: String,
}

/// What a look around found: at most one compiler, and why each other one will not do.
pub(crate) struct Search {
    pub(crate) found: Option<Compiler>,
    pub(crate) rejected: Vec<String>,
}

/// Looks for a compiler; changes nothing.
pub(crate) fn search() -> Search {
    let mut rejected = Vec::new();
    let mut candidates = rustup::candidates();
    candidates.push(debian::candidate());
    let found = candidates.into_iter().find_map(|candidate| match candidate {
        Ok(compiler) => Some(compiler),
        Err(reason) => {
            rejected.push(reason);
            None
        }
    });
    Search { found, rejected }
}

/// Finds or provides compiler and linker, saying which and why.
pub(crate) fn ensure() -> Result<Toolchain> {
    let compiler = compiler()?;
    let linker = linker::ensure(&compiler)?;
    Ok(Toolchain { compiler, linker })
}

fn compiler() -> Result<Compiler> {
    let Search { found, rejected } = search();
    let why = rejected.join("; ");
    if let Some(compiler) = found {
        let aside = if why.is_empty() { String::new() } else { format!(" ({why})") };
        eprintln!("xtask: BPF compiler: {}{aside}", compiler.name);
        return Ok(compiler);
    }
    if rustup::install(&why) {
        let Search { found, rejected } = search();
        return found.with_context(|| {
            format!("rustup installed {}, yet {}", rustup::PINNED, rejected.join("; "))
        });
    }
    packages::ensure(&debian::COMPILER, &why).with_context(|| {
        format!(
            "no compiler can build core for BPF; where rustup works, `{}` provides one",
            rustup::install_line()
        )
    })?;
    let Search { found, rejected } = search();
    found.with_context(|| {
        format!("Debian's compiler packages are installed, yet {}", rejected.join("; "))
    })
}

/// The host's target triple, as the cargo that started xtask sees it.
pub(crate) fn host() -> Result<String> {
    let version = exec::captured(env::host_cargo().arg("-vV")).context("cargo does not run")?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("`cargo -vV` does not name the host")
}

/// The compiler in `sysroot`, called `origin`, or the reason why it will not do.
fn inspect(origin: &str, sysroot: &Path, bootstrap: bool) -> Result<Compiler, String> {
    let (rustc, cargo) = (sysroot.join("bin/rustc"), sysroot.join("bin/cargo"));
    if !rustc.is_file() || !cargo.is_file() {
        return Err(format!("{origin} is not installed"));
    }
    if !sysroot.join("lib/rustlib/src/rust/library/core/src/lib.rs").is_file() {
        return Err(format!("{origin} has no core sources"));
    }
    let mut command = Command::new(&rustc);
    env::isolate(&mut command);
    let version = exec::captured(command.arg("-vV"))
        .ok_or_else(|| format!("{origin}'s rustc does not run"))?;
    let (release, llvm) =
        parse(&version).ok_or_else(|| format!("{origin}'s rustc does not tell its LLVM"))?;
    if minor(release) < OLDEST_MINOR {
        return Err(format!("{origin} is {release}, older than 1.{OLDEST_MINOR}"));
    }
    if !LLVM.contains(&llvm) {
        return Err(format!(
            "{origin} is built on LLVM {llvm}, bpf-linker {} knows {} to {}",
            linker::VERSION,
            LLVM.start(),
            LLVM.end()
        ));
    }
    Ok(Compiler {
        cargo,
        rustc,
        bootstrap,
        llvm,
        name: format!("{origin}, rustc {release}, LLVM {llvm}"),
    })
}

/// Release and LLVM major out of `rustc -vV`.
fn parse(version: &str) -> Option<(&str, u32)> {
    let field = |name| version.lines().find_map(|line| line.strip_prefix(name));
    let llvm = field("LLVM version: ")?.split('.').next()?.parse().ok()?;
    Some((field("release: ")?, llvm))
}

fn minor(release: &str) -> u32 {
    release.strip_prefix("1.").and_then(|rest| rest.split('.').next()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_is_read() {
        let text = "rustc 1.97.0-nightly (e50aa6fba 2026-05-19)\nrelease: 1.97.0-nightly\nLLVM version: 22.1.4\n";
        assert_eq!(parse(text), Some(("1.97.0-nightly", 22)));
        assert_eq!(parse("release: 1.97.0\n"), None);
        assert_eq!(minor("1.97.0-nightly"), 97);
        assert_eq!(minor("nonsense"), 0);
    }

    #[test]
    fn compiler_that_is_not_there_is_named() {
        let reason = inspect("nightly", Path::new("/nonexistent"), false).unwrap_err();
        assert_eq!(reason, "nightly is not installed");
    }
}
