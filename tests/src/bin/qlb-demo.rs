//! `qlb-demo`: the program behind `cargo xtask demo`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use lb_tests::demo::{self, Failure, Options};
use lb_tests::{Qlb, sandbox};

/// Shows qlb at work: a network node with two LBaaS pools, real ssh and HTTP through it, each
/// sentence checked while it is told.
///
/// Everything happens in namespaces of its own, which end with the program however it ends; the
/// machine is not changed. Needs root.
///
/// Exit code: 0 if every claim held, 1 if not or if the story could not be told, 125 if the
/// sandbox cannot be made, 130 after Ctrl-C.
#[derive(Debug, Parser)]
#[command(name = "qlb-demo")]
struct Args {
    /// The qlb program [default: `qlb` beside this program]
    #[arg(long, value_name = "FILE", env = "QLB_BIN")]
    qlb: Option<PathBuf>,

    /// Keep the node standing after the verdict until Ctrl-C and say how to look inside
    #[arg(long)]
    hold: bool,
}

fn main() -> ExitCode {
    if let Some(code) = sandbox::dispatch() {
        return code;
    }
    let args = Args::parse();
    let qlb = match find(args.qlb.as_deref()) {
        Ok(qlb) => qlb,
        Err(why) => return fail(&why),
    };
    if !sandbox::inside() {
        return match argv(&args, &qlb) {
            Ok(argv) => sandbox::run_to_exit(&argv),
            Err(error) => fail(&format!("finding the own executable: {error}")),
        };
    }
    match demo::run(&Options { qlb, hold: args.hold }) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(Failure::Interrupted(signal)) => {
            eprintln!("interrupted: sessions, servers, namespaces and qlb are gone");
            ExitCode::from(128 + signal)
        }
        Err(error @ (Failure::Harness(_) | Failure::Output(_) | Failure::Answer { .. })) => {
            fail(&error.to_string())
        }
    }
}

/// Absolute, because the story prints commands for other terminals.
fn find(chosen: Option<&Path>) -> Result<Qlb, String> {
    let Some(chosen) = chosen else {
        return Qlb::find().map_err(|error| error.to_string());
    };
    let why = |error| format!("{}: {error}; build it with cargo xtask build", chosen.display());
    Ok(Qlb::at(chosen.canonicalize().map_err(why)?))
}

/// This program again. The sandbox keeps the files that are named among the arguments.
fn argv(args: &Args, qlb: &Qlb) -> std::io::Result<Vec<OsString>> {
    let mut argv: Vec<OsString> = vec![std::env::current_exe()?.into()];
    argv.extend(["--qlb".into(), qlb.program().into()]);
    if args.hold {
        argv.push("--hold".into());
    }
    Ok(argv)
}

fn fail(why: &str) -> ExitCode {
    eprintln!("qlb-demo: {why}");
    ExitCode::FAILURE
}
