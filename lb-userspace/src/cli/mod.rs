//! The command line.

mod agent_args;
mod agent_commands;
mod announce;
mod args;
mod commands;
mod manual;
mod members;
mod monitor_args;
mod patch;
mod plans;
mod pool_args;
mod pools;
mod things;
mod values;

pub use args::{Args, Command};
pub use commands::execute;
