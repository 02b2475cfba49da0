//! What an import has to say about a line.

use std::fmt;

/// How faithfully qlb can do what a line asks; ordered from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// As HAProxy did, for all that clients and members can see.
    Native,
    /// Served, with a difference that clients or members can see.
    Degraded,
    /// Not served; leave this pool on HAProxy or change it.
    Unsupported,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Native => "native",
            Self::Degraded => "degraded",
            Self::Unsupported => "unsupported",
        })
    }
}

/// A remark on one line of a HAProxy configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Line number, from 1.
    pub line: usize,
    /// How far the line is honoured.
    pub verdict: Verdict,
    /// What differs, and what the operator can do.
    pub text: String,
}

/// The worst verdict of `findings`; native when there is none.
pub(in crate::config) fn worst(findings: &[Finding]) -> Verdict {
    findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Native)
}
