//! Measuring one row.

use super::error::Error;
use super::frames::{Segment, shuffle};
use super::harness::Harness;
use super::path::{Case, Path, Setting};
use super::stage::{Stage, stranger};
use super::stats::Summary;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    /// How often.
    pub(super) batches: usize,
    /// Packets in a row on a way that connections take again and again.
    pub(super) packets: u32,
    /// Connections in a row that take a way once.
    pub(super) connections: u32,
}

/// As many connections as this are not opened anew for each batch. The next batch is of other clients.
pub(super) const MANY: u32 = 65_536;

/// A row of the table with its figures.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    pub(super) case: Case,
    /// Nanoseconds a packet, less those of the harness.
    pub(super) each: Summary,
    /// Those of the harness.
    pub(super) harness: Summary,
}

/// Measures a row on a datapath that was made for it.
pub(super) fn measure(stage: &mut Stage, case: &Case, effort: Effort) -> Result<Measured, Error> {
    let (mut each, mut harness) = (Vec::new(), Vec::new());
    let mut note = |(tested, alone): (u32, u32)| {
        each.push(i64::from(tested) - i64::from(alone));
        harness.push(i64::from(alone));
    };
    if case.path.is_once(case.setting) {
        for batch in 0..effort.batches {
            if batch > 0 && case.flows < MANY {
                stage.renew(case)?;
            }
            note(once(stage, case, effort.connections)?);
        }
    } else {
        let shown = again(stage, case)?;
        // The first way round is to make the caches what they are in the long run.
        let round = (shown.count() as u32).max(effort.packets);
        batch(stage, case, &shown, round)?;
        for _ in 0..effort.batches {
            note(batch(stage, case, &shown, effort.packets)?);
        }
    }
    let summary = |all| Summary::of(all).ok_or(Error::Connections { wanted: 1, found: 0 });
    Ok(Measured { case: *case, each: summary(each)?, harness: summary(harness)? })
}

/// Frames of all established connections, one of each, for as many packets as one likes.
fn again(stage: &mut Stage, case: &Case) -> Result<Harness, Error> {
    let mut frames = match case.path {
        Path::OtherPort => vec![stranger(81, case.family)],
        Path::NotIp => vec![arp()],
        Path::Opens => vec![stranger(80, case.family)],
        Path::Along(_) | Path::FirstFin | Path::SecondFin | Path::Reset | Path::Redispatch => {
            let segment = case.path.segment().unwrap_or(Segment::ClientAck);
            stage.flows.iter().map(|flow| stage.frame(segment, flow)).collect()
        }
    };
    shuffle(&mut frames);
    let advance = case.path.segment().and_then(|segment| segment.advance(case.family));
    show(stage, case, &frames, advance)
}

/// A frame that is not IP's.
pub(super) fn arp() -> Vec<u8> {
    [&[0; 6][..], &[2, 0, 0, 0, 0, 1, 8, 6], &[0; 46]].concat()
}

fn show(
    stage: &mut Stage,
    case: &Case,
    frames: &[Vec<u8>],
    advance: Option<super::code::Advance>,
) -> Result<Harness, Error> {
    if !matches!(case.setting, Setting::Xdp | Setting::Outer) {
        return Harness::new(&stage.kernel.tested()?, frames, advance);
    }
    let frames: Vec<Vec<u8>> = frames.iter().map(|frame| stage.kernel.addressed(frame)).collect();
    match stage.kernel.tested_ahead()? {
        Some(under_test) => Harness::new(&under_test, &frames, advance),
        None => Harness::new(&stage.kernel.tested()?, &frames, advance),
    }
}

/// Connections that have not been there yet take the way that each takes once.
fn once(stage: &mut Stage, case: &Case, count: u32) -> Result<(u32, u32), Error> {
    let mut flows = stage.ready(case.path.ready(), count)?;
    if case.path != Path::Opens {
        shuffle(&mut flows);
    }
    let segment = case.path.segment().unwrap_or(Segment::Syn);
    let frames: Vec<Vec<u8>> = flows.iter().map(|flow| stage.frame(segment, flow)).collect();
    let shown = show(stage, case, &frames, None)?;
    batch(stage, case, &shown, count)
}

/// Runs so many packets through the program under test, makes sure that they took the way of the row, and runs as many
/// through the harness alone. Answers the nanoseconds of both, each for a packet.
fn batch(stage: &Stage, case: &Case, shown: &Harness, count: u32) -> Result<(u32, u32), Error> {
    let before = stage.kernel.counters()?;
    let (ran, _) = shown.run(count)?;
    let after = stage.kernel.counters()?;
    let grown = before.iter().zip(&after).filter(|(old, new)| old.1 != new.1);
    let mut found: Vec<(&str, u64)> = grown.map(|(old, new)| (old.0, new.1 - old.1)).collect();
    let wanted = case.path.counters(case.setting);
    let count = u64::from(count);
    let mut right: Vec<(&str, u64)> = wanted.iter().map(|name| (*name, count)).collect();
    found.sort_unstable();
    right.sort_unstable();
    if found != right {
        let told = |(name, value): &(&str, u64)| format!("{name} +{value}");
        let found = found.iter().map(told).collect::<Vec<_>>().join(" ");
        return Err(Error::Path { path: case.told(), count, wanted: wanted.join(" "), found });
    }
    if ran.verdict != case.path.verdict(case.setting) {
        return Err(Error::Verdict { path: case.told(), found: ran.verdict });
    }
    Ok((ran.each, shown.run_alone(count as u32)?.each))
}
