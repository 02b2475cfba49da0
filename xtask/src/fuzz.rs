//! `fuzz`: a fuzz target for a while, by cargo-fuzz.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::toolchain::Compiler;
use crate::{build, env, exec};

/// The cargo-fuzz that this was tried with.
const VERSION: &str = "0.13.2";

/// What can be fuzzed; each is a function of `lb_tests::fuzz` and a directory of `fuzz/corpus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Target {
    /// Any frames through the parser and the decision
    Packets,
    /// Any bytes through the readers of configurations
    Importer,
}

impl Target {
    const fn name(self) -> &'static str {
        match self {
            Self::Packets => "packets",
            Self::Importer => "importer",
        }
    }
}

/// Fuzzes `target` for so many seconds, from the committed corpus. What it finds is left below `target/fuzz`: the
/// repository changes only when somebody decides to keep something.
pub(crate) fn run(target: Target, seconds: u32) -> Result<ExitCode> {
    let missing = missing(|tool| env::which(tool).is_some());
    if !missing.is_empty() {
        bail!("fuzzing needs {}", missing.join(", and "));
    }
    let toolchain = build::qlb()?;
    let name = target.name();
    let work = Work::of(name);
    for dir in [&work.corpus, &work.artifacts] {
        fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    }
    let status = exec::status(&mut command(&toolchain.compiler, name, &work, seconds)?)?;
    if status.success() {
        eprintln!("xtask: {name} held for {seconds} s");
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!(
        "xtask: what {name} does not take is in {}; copy it to fuzz/artifacts/{name} and commit it with its remedy: \
         `cargo xtask test --tier packet crash` replays what is there",
        work.artifacts.display()
    );
    Ok(ExitCode::FAILURE)
}

/// Where a target's finds go.
struct Work {
    /// Inputs that reach what no other reaches.
    corpus: PathBuf,
    /// Inputs that show a bug.
    artifacts: PathBuf,
}

impl Work {
    fn of(target: &str) -> Self {
        let dir = |kind: &str| env::target().join("fuzz").join(kind).join(target);
        Self { corpus: dir("corpus"), artifacts: dir("artifacts") }
    }
}

/// What is not there, and how to get it.
fn missing(is_there: impl Fn(&str) -> bool) -> Vec<String> {
    let needed = [
        ("cargo-fuzz", format!("cargo-fuzz (`cargo install --version {VERSION} cargo-fuzz`)")),
        ("c++", "a C++ compiler (Debian's g++), because libFuzzer is built from source".to_owned()),
    ];
    needed.into_iter().filter(|(tool, _)| !is_there(tool)).map(|(_, what)| what).collect()
}

fn command(compiler: &Compiler, target: &str, work: &Work, seconds: u32) -> Result<Command> {
    let bin = compiler.cargo.parent().unwrap_or(Path::new("/"));
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let paths = [bin.to_owned()].into_iter().chain(std::env::split_paths(&paths));
    let path: OsString = std::env::join_paths(paths).context("PATH cannot be extended")?;
    let mut command = Command::new(&compiler.cargo);
    env::isolate(&mut command);
    command.env("PATH", path).env("RUSTC", &compiler.rustc).current_dir(env::root());
    if compiler.bootstrap {
        command.env("RUSTC_BOOTSTRAP", "1");
    }
    // What is fuzzed is safe code: a sanitizer would only cost time.
    command.args(["fuzz", "run", "--sanitizer", "none", "--fuzz-dir", "fuzz", target]);
    // libFuzzer adds to the first directory and only reads the others.
    command.arg(&work.corpus).arg(Path::new("fuzz/corpus").join(target));
    let mut prefix = OsString::from("-artifact_prefix=");
    prefix.push(work.artifacts.join(""));
    command.arg("--").arg(format!("-max_total_time={seconds}")).arg(prefix);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_where_git_would_see_it() {
        let work = Work::of("packets");
        assert!([&work.corpus, &work.artifacts].iter().all(|dir| dir.starts_with(env::target())));
    }

    #[test]
    fn everything_that_is_missing_is_named_with_its_remedy() {
        let all = missing(|_| false);
        assert!(all[0].contains("cargo install") && all[1].contains("g++"), "{all:?}");
        assert_eq!(missing(|tool| tool == "c++").len(), 1);
        assert!(missing(|_| true).is_empty());
    }
}
