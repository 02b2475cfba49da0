//! `test`: the lints and the tests in tiers, and their sum.

mod kernel;
mod lint;
mod report;
mod tally;
mod tiers;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use clap::ValueEnum;

use crate::signals::Interrupted;
use crate::toolchain::{Toolchain, packages};
use crate::{build, object};
use report::Outcome;

/// The test targets of lb-tests that send packets through the BPF programs without attaching them.
const PACKET: &[&str] = &["packet", "differential", "verifier", "steps", "fuzz"];
/// The test targets of lb-tests that build network namespaces and run real clients and members in them.
const NETNS: &[&str] = &["capture", "harness", "netns", "oracle", "sandbox"];

/// A group of checks with the same needs. Tiers run in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tier {
    /// Formatting and clippy
    Lint,
    /// Decisions, configuration and tools; needs no privilege
    Pure,
    /// Packets through the BPF programs by test run; needs root
    Packet,
    /// Real traffic in network namespaces; needs root
    Netns,
    /// The BPF programs in a virtual machine with Debian's stock kernel; needs root
    Kernel,
}

impl Tier {
    fn name(self) -> &'static str {
        match self {
            Self::Lint => "lint",
            Self::Pure => "pure",
            Self::Packet => "packet",
            Self::Netns => "netns",
            Self::Kernel => "kernel",
        }
    }

    fn run(self, filter: Option<&str>, toolchain: &Toolchain) -> Result<Outcome> {
        let start = Instant::now();
        eprintln!("\nxtask: tier {}", self.name());
        let outcome = match self {
            Self::Lint => lint::run(toolchain)?,
            Self::Pure => tiers::pure(filter)?,
            Self::Packet => tiers::sandboxed(PACKET, false, filter)?,
            Self::Netns => tiers::sandboxed(NETNS, true, filter)?,
            Self::Kernel => kernel::run(filter)?,
        };
        Ok(outcome.named(self.name(), start.elapsed()))
    }
}

/// Builds, runs the chosen tiers (all by default) to their end, and prints the table and the sum.
pub(crate) fn run(filter: Option<&str>, chosen: &[Tier]) -> Result<ExitCode> {
    let all = Tier::value_variants().iter().copied();
    let tiers: Vec<Tier> = match (chosen, filter) {
        ([], None) => all.collect(),
        // A filter names tests; the lints have no part that bears its name.
        ([], Some(_)) => all.filter(|tier| *tier != Tier::Lint).collect(),
        _ => all.filter(|tier| chosen.contains(tier)).collect(),
    };
    let mut outcomes = Vec::new();
    let start = Instant::now();
    match prepare(&tiers) {
        Ok(toolchain) => {
            for tier in tiers {
                let start = Instant::now();
                let outcome = tier.run(filter, &toolchain);
                let outcome = outcome.or_else(|error| failed(tier.name(), start, error))?;
                outcomes.push(outcome);
            }
        }
        Err(error) => outcomes.push(failed("build", start, error)?),
    }
    print!("{}", report::table(&outcomes));
    Ok(if report::good(&outcomes) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Everything the tiers use, so that their times are their own.
fn prepare(tiers: &[Tier]) -> Result<Toolchain> {
    if tiers.contains(&Tier::Netns) || tiers.contains(&Tier::Kernel) {
        packages::ensure(
            &packages::RUN,
            "clients, members and measuring tools of the tests in network namespaces",
        )?;
    }
    let toolchain = build::qlb()?;
    if tiers.iter().any(|tier| matches!(tier, Tier::Packet | Tier::Netns | Tier::Kernel)) {
        build::sandbox()?;
    }
    eprintln!("xtask: BPF object {}", object::path().display());
    Ok(toolchain)
}

/// An error of xtask's own counts as one failure and the rest goes on; Ctrl-C ends everything.
fn failed(name: &'static str, start: Instant, error: anyhow::Error) -> Result<Outcome> {
    if error.is::<Interrupted>() {
        return Err(error);
    }
    eprintln!("xtask: {name}: {error:#}");
    Ok(Outcome::broken("did not run to its end").named(name, start.elapsed()))
}
