//! Reader for HAProxy configurations as Neutron LBaaS v1 and v2 and the Octavia amphora
//! write them (HAProxy manual 1.5, sections 2, 4 and 5).
//!
//! Lexer, then sections, then one reader per kind of section, then assembly into pools.
//! A keyword is either understood or has a [`Finding`] with its line; none is dropped.

mod assemble;
mod backend;
mod fault;
mod finding;
mod frontend;
mod global;
mod lexer;
mod monitor;
mod persistence;
mod proxy;
mod reader;
mod section;
mod server;
mod value;

use super::error::{ConfigError, Source};
use super::model::PoolSpec;
use reader::Reader;

pub(super) use finding::worst;
pub use finding::{Finding, Verdict};

/// True for the first word of a line that starts a section.
pub(super) fn starts_section(word: &str) -> bool {
    section::kind(word).is_some()
}

/// What a HAProxy configuration becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// One pool per backend, in the order of the backends.
    pub pools: Vec<PoolSpec>,
    /// Whether HAProxy would go to the background.
    pub daemon: bool,
    /// What the pools do not say exactly as HAProxy did, ordered by line.
    pub findings: Vec<Finding>,
}

impl Import {
    /// The worst verdict of all findings; native when there is none.
    pub fn verdict(&self) -> Verdict {
        worst(&self.findings)
    }
}

/// Choices of the operator for an import.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportOptions {
    /// Replace cookie persistence, which qlb cannot do, by persistence on the client address.
    pub persistence_fallback_source_ip: bool,
}

/// Reads a HAProxy configuration. `file` is the name that errors show.
///
/// # Errors
/// A text that HAProxy itself would refuse, or one that breaks a rule of the model: each
/// problem at its place in the text.
pub fn import(file: &str, text: &str, options: ImportOptions) -> Result<Import, ConfigError> {
    let source = Source { file, text };
    let read = || {
        let sections = section::split(lexer::lines(text)?)?;
        Reader::new(options).read(&sections)
    };
    let faults = match read() {
        Ok(assembled) => match assembled.faults() {
            faults if faults.is_empty() => return Ok(assembled.into_import()),
            faults => faults,
        },
        Err(fault) => vec![*fault],
    };
    Err(ConfigError::Invalid(
        faults.into_iter().map(|fault| fault.into_diagnostic(source)).collect(),
    ))
}
