//! The command line.

mod args;
mod commands;

pub use args::Args;
pub use commands::execute;
