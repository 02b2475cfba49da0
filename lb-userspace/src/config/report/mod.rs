//! What `qlb check` and `qlb import` print. Writers are arguments, so that tests read the
//! bytes; a broken pipe is the caller's to handle.

mod summary;

use std::io::{self, Write};

use super::model::PoolSpec;
use super::{ConfigError, Loaded, Verdict, servable, yaml};
use summary::summary;

/// What the exit code of a command says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All of it can be done: exit code 0.
    Accepted,
    /// Some of it is refused: exit code 2.
    Refused,
}

impl Outcome {
    /// The process exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Accepted => 0,
            Self::Refused => 2,
        }
    }
}

/// Why a report was not printed.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The output could not be written.
    #[error("cannot write the output; is the disk full or the reader gone?")]
    Write(#[from] io::Error),
    /// The pools could not be written as YAML.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// Prints what `qlb check` says about a file: each pool with what this version does with it,
/// the import's findings, and the verdict.
///
/// # Errors
/// Only when `out` cannot be written.
pub fn check(out: &mut impl Write, file: &str, loaded: &Loaded) -> io::Result<Outcome> {
    let mut refused = loaded.verdict() == Verdict::Unsupported;
    for pool in &loaded.pools {
        summary(out, pool)?;
        refused |= service(out, pool, loaded)? == Outcome::Refused;
    }
    findings(out, file, loaded)?;
    writeln!(out, "verdict: {}", loaded.verdict())?;
    Ok(if refused { Outcome::Refused } else { Outcome::Accepted })
}

/// Prints what `qlb import` says: the pools as YAML to `out`; the verdict, the findings and what
/// this version does with each pool to `talk`. The verdict alone is the outcome: unsupported
/// lines are refused, but the YAML is printed for the operator to edit.
///
/// # Errors
/// When a writer fails.
pub fn import(
    out: &mut impl Write,
    talk: &mut impl Write,
    file: &str,
    loaded: &Loaded,
) -> Result<Outcome, ReportError> {
    out.write_all(yaml::print(&loaded.pools)?.as_bytes())?;
    writeln!(talk, "verdict: {}", loaded.verdict())?;
    findings(talk, file, loaded)?;
    for pool in &loaded.pools {
        writeln!(talk, "pool {}", pool.id)?;
        service(talk, pool, loaded)?;
    }
    Ok(match loaded.verdict() {
        Verdict::Native | Verdict::Degraded => Outcome::Accepted,
        Verdict::Unsupported => Outcome::Refused,
    })
}

/// Whether this version serves `pool`, and why not or how differently.
fn service(out: &mut impl Write, pool: &PoolSpec, loaded: &Loaded) -> io::Result<Outcome> {
    match servable(pool, &loaded.pools) {
        Ok(notices) => {
            for notice in notices {
                writeln!(out, "  notice: {notice}")?;
            }
            if loaded.verdict() == Verdict::Unsupported {
                writeln!(out, "  served: no, the file has unsupported lines")?;
                return Ok(Outcome::Refused);
            }
            writeln!(out, "  served: yes")?;
            Ok(Outcome::Accepted)
        }
        Err(refusals) => {
            for refusal in refusals {
                writeln!(out, "  refused: {refusal}")?;
            }
            writeln!(out, "  served: no")?;
            Ok(Outcome::Refused)
        }
    }
}

fn findings(out: &mut impl Write, file: &str, loaded: &Loaded) -> io::Result<()> {
    for finding in &loaded.findings {
        writeln!(out, "{file}:{}: {}: {}", finding.line, finding.verdict, finding.text)?;
    }
    Ok(())
}
