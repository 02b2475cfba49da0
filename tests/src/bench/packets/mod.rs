//! Nanoseconds that a packet takes in the datapath, by BPF_PROG_TEST_RUN.
//!
//! A test run that is repeated shows a program its own output, and so something else than a packet that comes in. Here a
//! [harness](Harness) of a few instructions stands in front of the program and writes the next frame over the packet each time. What it takes
//! itself is measured in front of a program that only returns, and taken off.
//!
//! Every batch is checked by the datapath's counters: a row whose packets took another way than it says is an error.

mod budget;
mod code;
mod draw;
mod error;
mod frames;
mod harness;
mod measure;
mod noise;
mod path;
mod plan;
mod report;
mod stage;
mod stats;

use std::io::{self, Write as _};
use std::path::PathBuf;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

pub use super::machine::Settings;
pub use crate::bpf::Ran;
pub use budget::{Row, budget};
pub use code::Advance;
pub use error::Error;
pub use harness::Harness;
pub use stats::Summary;

use measure::{MANY, Measured, measure};
use noise::Noise;
use path::Case;
use plan::Plan;
use report::{Held, Report};
use stage::Stage;

/// What the reader can choose.
#[derive(Clone, Debug)]
pub struct Options {
    /// One JSON document in place of a table.
    pub json: bool,
    /// Fewer rows and batches: a minute.
    pub quick: bool,
    /// A directory in which curves are drawn.
    pub draw: Option<PathBuf>,
    /// Only rows with this in their description; all of them if there is none.
    pub only: Option<String>,
    /// What the kernel outside of the sandbox is set to.
    pub settings: Settings,
}

/// Measures, inside the sandbox that this process runs in, and prints the figures.
///
/// # Errors
/// [`Error::Path`] and [`Error::Verdict`] when packets took another way than was to be measured; otherwise what kept them from being
/// sent.
pub fn run(options: &Options) -> Result<(), Error> {
    stay()?;
    let plan = if options.quick { Plan::quick() } else { Plan::full() };
    let effort = plan.effort;
    let wanted =
        |case: &&Case| options.only.as_ref().is_none_or(|only| case.told().contains(only.as_str()));
    let noise = {
        let mut kernel = crate::datapath::Kernel::load(1024)?;
        Noise::measure(&kernel.tested()?, effort)?
    };
    let mut rows: Vec<Measured> = Vec::new();
    let mut before: Option<(Stage, Case)> = None;
    let mut held: Vec<Held> = Vec::new();
    for case in plan.cases.iter().filter(wanted) {
        let mut stage = prepare(before.take(), case, effort.spare(case))?;
        if !held.iter().any(|held| held.flows == case.flows)
            && stage.flows.len() as u32 == case.flows
        {
            held.push(stage.held()?);
        }
        let measured = measure(&mut stage, case, effort)?;
        writeln!(io::stderr(), "{} ns  {}", measured.each.median, case.told())?;
        rows.push(measured);
        before = Some((stage, *case));
    }
    if let Some(directory) = &options.draw {
        draw::all(&rows, directory)?;
    }
    let report = Report { settings: options.settings.clone(), effort, noise, held, rows };
    if options.json {
        report.print_json()?
    } else {
        report.print()?
    }
    Ok(())
}

impl measure::Effort {
    /// Connections that the datapath needs room for besides those of the row.
    fn spare(&self, case: &Case) -> u32 {
        match case.path.is_once(case.setting) {
            true if case.flows >= MANY => self.connections * self.batches as u32,
            true => self.connections,
            // A million connections are for several rows.
            false if case.flows > MANY => self.connections * self.batches as u32,
            false => 0,
        }
    }
}

/// A datapath for a row: that of the row before, if it will do.
fn prepare(before: Option<(Stage, Case)>, case: &Case, spare: u32) -> Result<Stage, Error> {
    let Some((mut stage, old)) = before else { return Stage::new(case, spare) };
    let same = Case { path: case.path, ..old } == *case;
    if same && case.flows > MANY && !old.path.is_once(old.setting) {
        return Ok(stage);
    }
    let fits = stage.room() >= case.flows + spare && old.flows <= MANY && case.flows <= MANY;
    if old.setting == case.setting && fits {
        stage.renew(case)?;
        return Ok(stage);
    }
    drop(stage);
    Stage::new(case, spare)
}

/// Keeps this process on the last one of its CPUs.
fn stay() -> Result<(), Error> {
    let this = Pid::from_raw(0);
    let all = sched_getaffinity(this).map_err(Error::Pin)?;
    let last = (0..CpuSet::count()).rev().find(|cpu| all.is_set(*cpu).unwrap_or(false));
    let mut one = CpuSet::new();
    one.set(last.unwrap_or(0)).map_err(Error::Pin)?;
    sched_setaffinity(this, &one).map_err(Error::Pin)
}
