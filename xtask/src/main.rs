//! `cargo xtask`: builds, loads, demonstrates and tests qlb on a machine that has only rustup and a Debian-like system.

mod bench;
mod build;
mod demo;
mod doctor;
mod env;
mod exec;
mod fuzz;
mod load;
mod object;
mod privilege;
mod signals;
mod test;
#[cfg(test)]
mod tidy;
mod toolchain;
mod vm;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::signals::Interrupted;
use crate::test::Tier;

/// Build, load, demonstrate and test qlb.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build the BPF object and the qlb command, providing the toolchain they need
    Build,
    /// Build, then become `qlb run` with the given arguments (through sudo if not root)
    Load {
        /// Arguments of `qlb run`, for example `-f pool.yaml`
        #[arg(
            required = true,
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "-f FILE.. ARGS"
        )]
        args: Vec<OsString>,
    },
    /// Build, then run the demonstration in network namespaces of its own
    Demo {
        /// Arguments of the demonstration; `-- --help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Build, then measure: by default qlb beside HAProxy, nginx, nftables and IPVS, in turns
    Bench {
        /// In an emulated machine whose clock counts instructions: as long each time, and slow
        #[arg(long)]
        vm: bool,
        /// Arguments of the measurement; `-- --help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Build, then run the checks and tests; the last line is the sum
    Test {
        /// Run only the tests whose name contains this; skips the lints
        filter: Option<String>,
        /// Run only this tier; may be given more than once
        #[arg(long, value_enum)]
        tier: Vec<Tier>,
    },
    /// Fuzz a target with libFuzzer, by cargo-fuzz
    Fuzz {
        /// What to fuzz
        #[arg(value_enum)]
        target: fuzz::Target,
        /// For how long
        #[arg(long, default_value_t = 60)]
        seconds: u32,
    },
    /// Say what this machine has, what it lacks and how to mend it; changes nothing
    Doctor,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = signals::hold().and_then(|()| match cli.task {
        Task::Build => build::all(),
        Task::Load { args } => load::run(&args),
        Task::Demo { args } => demo::run(&args),
        Task::Bench { vm, args } => bench::run(vm, &args),
        Task::Test { filter, tier } => test::run(filter.as_deref(), &tier),
        Task::Fuzz { target, seconds } => fuzz::run(target, seconds),
        Task::Doctor => doctor::run(),
    });
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: error: {error:#}");
            error.downcast_ref::<Interrupted>().map_or(ExitCode::FAILURE, Interrupted::exit_code)
        }
    }
}
