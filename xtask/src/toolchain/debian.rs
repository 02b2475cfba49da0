//! Debian's newest Rust, kept for its browsers: a stable compiler whose packages include core's sources.

use std::path::Path;

use super::packages::Package;
use super::{Compiler, inspect};

/// The compiler, its cargo and the sources of its core.
pub(crate) const COMPILER: [Package; 4] = [
    Package::new("rustc-web", None),
    Package::new("cargo-web", None),
    Package::new("rust-web-src", None),
    Package::new("rust-web-clippy", None),
];

/// `/usr/bin/rustc`, whichever package it is from.
pub(crate) fn candidate() -> Result<Compiler, String> {
    inspect("Debian's rustc", Path::new("/usr"), true)
}
