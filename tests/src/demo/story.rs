//! The thread through all chapters: paper, claims, time.

use std::time::Instant;

use super::Failure;
use super::interrupt::Interrupt;
use super::paper::Paper;

/// What every chapter needs.
#[derive(Debug)]
pub(super) struct Story {
    pub(super) paper: Paper,
    pub(super) interrupt: Interrupt,
    start: Instant,
    claims: usize,
    wrong: Vec<String>,
}

impl Story {
    pub(super) fn begin() -> Result<Self, Failure> {
        Ok(Self {
            paper: Paper::new(),
            interrupt: Interrupt::listen()?,
            start: Instant::now(),
            claims: 0,
            wrong: Vec::new(),
        })
    }

    /// States `text`. It counts for the verdict whether it `holds`; what was `seen` instead is
    /// shown when it does not.
    pub(super) fn claim(
        &mut self,
        holds: bool,
        text: &str,
        seen: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        self.claims += 1;
        if holds {
            self.paper.good(&format!("ok     {text}"))?;
        } else {
            let line = format!("{text}; seen: {}", seen());
            self.paper.bad(&format!("WRONG  {line}"))?;
            self.wrong.push(line);
        }
        Ok(())
    }

    /// The last word: whether every claim held.
    pub(super) fn verdict(&self) -> Result<bool, Failure> {
        let seconds = self.start.elapsed().as_secs_f32();
        self.paper.blank()?;
        if self.wrong.is_empty() {
            let all = format!("verdict: all {} claims hold ({seconds:.1} s)", self.claims);
            self.paper.good(&all)?;
            return Ok(true);
        }
        let (wrong, claims) = (self.wrong.len(), self.claims);
        let some = format!("verdict: {wrong} of {claims} claims do NOT hold ({seconds:.1} s)");
        self.paper.bad(&some)?;
        for line in &self.wrong {
            self.paper.bad(&format!("- {line}"))?;
        }
        Ok(false)
    }
}
