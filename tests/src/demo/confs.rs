//! The files haproxy had, and what `qlb check` says about them.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Failure, Story};
use crate::topology::{SSH_POOL, SeedPool, WEB_POOL};
use crate::{Namespace, Qlb};

/// What Neutron's agent had written, byte for byte.
const CONFS: [(&SeedPool, &[u8]); 2] = [
    (&SSH_POOL, include_bytes!("../../../examples/574a31da-a28a-449f-8c9d-3d3687c3c02a/conf")),
    (&WEB_POOL, include_bytes!("../../../examples/8c1f6d2e-5b7a-4e39-9d40-2a6b7c8d9e01/conf")),
];

/// Writes `<pool id>/conf` for each pool below `dir`, as Neutron's agent does.
pub(super) fn write(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let write = |(pool, conf): (&SeedPool, &[u8])| {
        fs::create_dir(dir.join(pool.id))?;
        let path = dir.join(pool.id).join("conf");
        fs::write(&path, conf)?;
        Ok(path)
    };
    CONFS.into_iter().map(write).collect()
}

/// Shows of each file what decides who is served by whom, and what `qlb` does otherwise than
/// haproxy did.
pub(super) fn show(story: &Story, qlb: &Qlb, files: &[PathBuf]) -> Result<(), Failure> {
    for ((pool, conf), path) in CONFS.into_iter().zip(files) {
        let check = Namespace::root()?.command(qlb.program()).args(["check", "-f"]).arg(path);
        let output = check.output()?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let verdict = after(&said, "verdict: ").pop().unwrap_or("nothing");
        let size = conf.len();
        story.paper.line(&format!("{}/conf, {size} bytes, qlb check: {verdict}", pool.id))?;
        story.paper.verbatim(&told(&String::from_utf8_lossy(conf)))?;
        let mut differences = after(&said, "degraded: ");
        differences.extend(after(&said, "notice: "));
        for (index, difference) in differences.iter().enumerate() {
            // A line that stands in the frontend and in the backend is found twice.
            if !differences.iter().take(index).any(|earlier| earlier == difference) {
                story.paper.line(&format!("  differs: {difference}"))?;
            }
        }
    }
    Ok(())
}

/// The lines that say who is served by whom.
fn told(conf: &str) -> String {
    let words = ["bind", "balance", "server"];
    let tells = |line: &&str| line.split_whitespace().next().is_some_and(|w| words.contains(&w));
    conf.lines().map(str::trim).filter(tells).collect::<Vec<_>>().join("\n")
}

/// What follows `mark` in the lines that have it.
fn after<'a>(text: &'a str, mark: &str) -> Vec<&'a str> {
    text.lines().filter_map(|line| line.split_once(mark).map(|(_, rest)| rest)).collect()
}
