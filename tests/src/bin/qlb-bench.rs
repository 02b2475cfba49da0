//! `qlb-bench`: the program behind `cargo xtask bench`.

use std::ffi::OsString;
use std::io::stdout;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use lb_tests::bench::packets::Settings;
use lb_tests::bench::{arena, packets};
use lb_tests::{Qlb, sandbox};

/// Measures qlb.
///
/// Everything happens in namespaces of its own, which end with the program however it ends; the machine is not
/// changed. Needs root.
///
/// Exit code: 0 with figures, 1 if there are none, 125 if the sandbox cannot be made.
#[derive(Debug, Parser)]
#[command(name = "qlb-bench")]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// qlb beside HAProxy, nginx, nftables and IPVS, in turns
    Arena(Arena),
    /// Nanoseconds that a packet takes in the BPF programs, path by path
    Packets(Packets),
}

#[derive(Debug, Args)]
struct Arena {
    /// In less than three minutes: 3 rounds, 1 second for each figure
    #[arg(long)]
    quick: bool,

    /// How often everybody has a turn [default: 7, or 3 with --quick]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: Option<u32>,

    /// How long each figure is measured [default: 3, or 1 with --quick]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: Option<u64>,

    /// Print one JSON document in place of tables
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Packets {
    /// Print one JSON document in place of a table
    #[arg(long)]
    json: bool,

    /// Measure the most important rows, less often: a minute in place of some
    #[arg(long)]
    quick: bool,

    /// Draw how figures grow with flows, members and pools, as SVG files in this directory
    #[arg(long, value_name = "DIRECTORY")]
    draw: Option<PathBuf>,

    /// Measure only the rows that have this in their description, which is said while they are measured
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,

    /// `net.core.bpf_jit_enable` outside of the sandbox, where it is not seen
    #[arg(long, hide = true)]
    jit: Option<String>,

    /// `net.core.bpf_jit_harden` of the same
    #[arg(long, hide = true)]
    harden: Option<String>,
}

fn main() -> ExitCode {
    if let Some(code) = sandbox::dispatch() {
        return code;
    }
    let cli = Cli::parse();
    if !sandbox::inside() {
        return match argv(&cli.what) {
            Ok(argv) => sandbox::run_to_exit(&argv),
            Err(error) => fail(&format!("finding the own executable: {error}")),
        };
    }
    let done = match cli.what {
        What::Arena(args) => beside(&args),
        What::Packets(args) => by_packet(args),
    };
    done.map_or_else(|why| fail(&why), |()| ExitCode::SUCCESS)
}

fn beside(args: &Arena) -> Result<(), String> {
    let qlb = Qlb::find().map_err(|error| error.to_string())?;
    let (rounds, seconds) = if args.quick { (3, 1) } else { (7, 3) };
    let options = arena::Options {
        qlb,
        rounds: args.rounds.unwrap_or(rounds) as usize,
        each: Duration::from_secs(args.seconds.unwrap_or(seconds)),
        json: args.json,
    };
    arena::run(&options, &mut stdout().lock()).map_err(|error| error.to_string())
}

fn by_packet(args: Packets) -> Result<(), String> {
    let Packets { json, quick, draw, only, jit, harden } = args;
    let unknown = || "unknown".to_owned();
    let settings =
        Settings { jit: jit.unwrap_or_else(unknown), harden: harden.unwrap_or_else(unknown) };
    let options = packets::Options { json, quick, draw, only, settings };
    packets::run(&options).map_err(|error| error.to_string())
}

/// This program again, with what it would not see inside.
fn argv(what: &What) -> std::io::Result<Vec<OsString>> {
    let mut argv: Vec<OsString> = vec![std::env::current_exe()?.into()];
    argv.extend(std::env::args_os().skip(1));
    if let What::Packets(_) = what {
        let Settings { jit, harden } = Settings::read();
        argv.extend(["--jit".into(), jit.into(), "--harden".into(), harden.into()]);
    }
    Ok(argv)
}

fn fail(why: &str) -> ExitCode {
    eprintln!("qlb-bench: {why}");
    ExitCode::FAILURE
}
