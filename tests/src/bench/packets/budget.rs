//! What a packet takes in instructions and looks into maps: no time, so it is the same on every machine, and can be held.

use std::os::fd::AsFd as _;

use super::error::Error;
use super::measure::arp;
use super::path::{Case, Path, Setting};
use super::plan::{ALONG, BASE, ONCE, PASSED};
use super::stage::{Stage, stranger};
use crate::bpf::{self, Shown};
use crate::datapath::{Family, METHODS};
use crate::steps::{Stepper, Steps};

/// Bytes that any of the frames takes.
const ROOM: usize = 2048;

/// Connections that are there at the most.
const MOST: u32 = 16_384;

/// A way of packets, and what one takes on it.
#[derive(Clone, Debug)]
pub struct Row {
    /// The way.
    pub name: String,
    /// What a packet takes.
    pub steps: Steps,
}

/// The ways: with few connections, because how many there are is of no matter to instructions.
fn cases() -> Vec<Case> {
    let base = Case { flows: 64, ..BASE };
    let along = ALONG.into_iter().chain(ONCE).chain(PASSED);
    let mut cases: Vec<Case> = along.map(|path| Case { path, ..base }).collect();
    let opens = |method, members| Case { path: Path::Opens, method, members, ..base };
    cases.extend(METHODS.map(|method| opens(method, 2)));
    cases.extend(METHODS.map(|method| opens(method, 64)));
    cases.extend(METHODS.map(|method| opens(method, 4096)));
    cases.push(Case { members: 4096, ..base });
    cases.push(Case { flows: MOST, ..base });
    cases.push(Case { family: Family::V6, ..base });
    cases.push(Case { family: Family::V6, path: Path::Opens, ..base });
    let outer = Case { setting: Setting::Outer, ..base };
    let along = [ALONG[0], ALONG[2], ALONG[3], Path::FirstFin, Path::SecondFin];
    let others = [Path::Opens, Path::OtherPort];
    cases.extend(along.into_iter().chain(others).map(|path| Case { path, ..outer }));
    cases.push(Case { members: 4096, flows: MOST, ..outer });
    cases
}

/// What a packet takes on each way, which the kernel's programs go as well.
///
/// # Errors
/// When the machine that counts and the kernel do not make the same of a packet.
pub fn budget() -> Result<Vec<Row>, Error> {
    let (outer, inner): (Vec<Case>, Vec<Case>) =
        cases().into_iter().partition(|case| case.setting == Setting::Outer);
    let mut rows = Vec::new();
    for cases in [inner, outer] {
        let Some(first) = cases.first() else { continue };
        let mut stage = Stage::new(&Case { flows: BASE.flows, ..*first }, MOST)?;
        let stepper = stage.kernel.stepper()?;
        for case in &cases {
            rows.push(row(&mut stage, &stepper, case)?);
        }
    }
    Ok(rows)
}

fn row(stage: &mut Stage, stepper: &Stepper, case: &Case) -> Result<Row, Error> {
    stage.renew(case)?;
    let frame = frame(stage, case)?;
    let steps = stage.kernel.steps(stepper, &frame)?;
    let mut out = vec![0; ROOM];
    let shown = Shown { frame: &frame, context: &[], repeat: 1, flags: 0 };
    let program = match case.setting {
        Setting::Outer => stage.kernel.tested_ahead()?,
        Setting::Tc | Setting::Shared | Setting::Xdp => Some(stage.kernel.tested()?),
    };
    let program = program.map(|tested| tested.program).ok_or(Error::NotLoaded)?;
    let ran = bpf::run(program.as_fd(), &shown, &mut out).map_err(Error::bpf("run a frame"))?;
    out.truncate(ran.len);
    if (steps.verdict, &steps.frame) != (ran.verdict, &out) {
        return Err(Error::Steps { path: case.told(), steps: Box::new(steps), kernel: out });
    }
    if ran.verdict != case.path.verdict(case.setting) {
        return Err(Error::Verdict { path: case.told(), found: ran.verdict });
    }
    Ok(Row { name: name(case), steps })
}

/// A frame that goes the way of the row, which the datapath has not seen yet.
fn frame(stage: &mut Stage, case: &Case) -> Result<Vec<u8>, Error> {
    let Some(segment) = case.path.segment() else {
        let is_ip = case.path == Path::OtherPort;
        return Ok(if is_ip { stranger(81, case.family) } else { arp() });
    };
    let flows = stage.ready(case.path.ready(), 1)?;
    let flow = flows.first().ok_or(Error::Connections { wanted: 1, found: 0 })?;
    Ok(stage.frame(segment, flow))
}

fn name(case: &Case) -> String {
    let Case { path, members, flows, .. } = case;
    let policy = if *path == Path::Opens { format!(" {}", case.policy()) } else { String::new() };
    let at = if case.setting == Setting::Outer { "at the outer end: " } else { "" };
    format!("{at}{}, {}{policy}, {members} members, {flows} flows", path.name(), case.family())
}
