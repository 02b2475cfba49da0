//! Chapter: `qlb run` takes both pools over, and what is asked of it later.

use std::ffi::OsStr;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::confs;
use super::view::{self, ConnectionView, PoolView};
use super::{Failure, Story};
use crate::topology::{SSH_POOL, SeedPool, WEB_POOL};
use crate::{Process, Qlb};

const DEADLINE: Duration = Duration::from_secs(5);

/// Lines of its log that are shown when something goes wrong.
const TAIL: usize = 12;

/// A running `qlb run`.
#[derive(Debug)]
pub(super) struct Controller {
    process: Process,
    pub(super) qlb: Qlb,
    _dir: TempDir,
}

impl Controller {
    pub(super) fn start(story: &mut Story, qlb: Qlb) -> Result<Self, Failure> {
        story.paper.chapter("One qlb instead of two haproxies, with the files haproxy had")?;
        let dir = tempfile::tempdir()?;
        let files = confs::write(dir.path())?;
        confs::show(story, &qlb, &files)?;
        let shown = [SSH_POOL, WEB_POOL].map(|pool| format!(" -f {}/conf", pool.id));
        story.paper.command(&format!("qlb run{}", shown.concat()))?;
        let args = files.iter().flat_map(|path| [OsStr::new("-f"), path.as_os_str()]);
        let start = Instant::now();
        let process = qlb.run(args)?;
        let took = start.elapsed();
        story.interrupt.check()?;
        let stdout = process.stdout();
        let ready = stdout.lines().find(|line| line.starts_with("ready")).unwrap_or_default();
        story.paper.verbatim(ready)?;
        let both = ready.contains("pools=2") && ready.contains("members=4");
        let text = format!("ready for the first SYN {} ms after its start", took.as_millis());
        story.claim(both, &text, || ready.to_owned())?;
        Ok(Self { process, qlb, _dir: dir })
    }

    /// Runs a command of `qlb` and shows it with its answer.
    pub(super) fn show(&self, story: &Story, args: &[&str]) -> Result<(), Failure> {
        let answer = self.qlb.command(args)?;
        story.paper.command(&format!("qlb {}", args.join(" ")))?;
        Ok(story.paper.verbatim(&answer)?)
    }

    pub(super) fn status(&self) -> Result<Vec<PoolView>, Failure> {
        view::pools("qlb status -o json", &self.qlb.json(["status", "-o", "json"])?)
    }

    /// One pool of [`Controller::status`].
    pub(super) fn pool(&self, pool: &SeedPool) -> Result<PoolView, Failure> {
        let found = self.status()?.into_iter().find(|found| found.id == pool.id);
        found.ok_or_else(|| Failure::Answer {
            command: "qlb status -o json".into(),
            field: format!("pool {}", pool.id),
            answer: "the list of pools".into(),
        })
    }

    /// What `qlb conns` knows about a pool, closed connections included.
    pub(super) fn connections(&self, pool: &SeedPool) -> Result<Vec<ConnectionView>, Failure> {
        let answer = self.qlb.json(["conns", pool.id, "-o", "json"])?;
        view::connections("qlb conns -o json", &answer)
    }

    /// The last lines it wrote to stderr.
    pub(super) fn log_tail(&self) -> String {
        let log = self.process.stderr();
        let lines: Vec<&str> = log.lines().collect();
        lines.get(lines.len().saturating_sub(TAIL)..).unwrap_or_default().join("\n")
    }

    /// Ends it as an operator would.
    pub(super) fn stop(&mut self, story: &mut Story) -> Result<(), Failure> {
        let ended = self.process.stop(Signal::SIGTERM, DEADLINE)?;
        let log = self.process.stderr();
        story.claim(ended.success(), "qlb ends with 0 when told to (SIGTERM)", || {
            format!("{ended}, last words: {}", log.lines().last().unwrap_or("none"))
        })
    }
}
