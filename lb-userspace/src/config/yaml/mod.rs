//! qlb's own file format. Only this module and its children know which YAML crate is used;
//! the rest of qlb sees [`parse`] and [`print()`].
//!
//! ```yaml
//! pools:
//!   - id: web
//!     protocol: TCP
//!     lb_method: ROUND_ROBIN
//!     vip: {id: web-vip, address: 192.0.2.20, port: 80}
//!     members:
//!       - {id: web-1, address: 192.0.2.31, port: 80, weight: 2}
//! ```

mod clients;
mod convert;
mod explain;
mod locate;
mod monitor;
mod raw;
mod shape;

pub use raw::{File as PoolsSchema, Monitor as MonitorSchema, Pool as PoolSchema};

use super::error::{ConfigError, Diagnostic, Source};
use super::model::{PoolSpec, Violation, validate};

/// Reads qlb YAML. `file` is the name that errors show.
///
/// # Errors
/// The first syntax or type error, or else every broken rule, each at its place in the text.
pub fn parse(file: &str, text: &str) -> Result<Vec<PoolSpec>, ConfigError> {
    let source = Source { file, text };
    let raw: raw::File =
        serde_yaml::from_str(text).map_err(|error| explain::diagnostic(source, &error))?;
    let located = |violations: Vec<Violation>| {
        violations.into_iter().map(|violation| at_its_place(source, violation)).collect()
    };
    let pools = convert::pools(raw).map_err(|found| ConfigError::Invalid(located(found)))?;
    match validate(&pools) {
        violations if violations.is_empty() => Ok(pools),
        violations => Err(ConfigError::Invalid(located(violations))),
    }
}

/// Writes pools as qlb YAML that [`parse`] reads back to equal pools.
///
/// # Errors
/// [`ConfigError::Render`] when the YAML crate refuses, which no valid pool causes.
pub fn print(pools: &[PoolSpec]) -> Result<String, ConfigError> {
    let raw = raw::File { pools: pools.iter().map(shape::pool).collect() };
    serde_yaml::to_string(&raw).map_err(|error| ConfigError::Render(error.to_string()))
}

fn at_its_place(source: Source<'_>, violation: Violation) -> Diagnostic {
    let at = locate::value(source.text, violation.path.segments());
    let mut diagnostic = source.diagnostic(at, violation.message, violation.help);
    diagnostic.field = Some(violation.path.to_string());
    diagnostic
}
