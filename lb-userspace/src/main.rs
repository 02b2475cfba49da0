//! The `qlb` command.

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use clap::Parser as _;
use lb_userspace::cli::{Args, execute};
use lb_userspace::control::ControlError;
use lb_userspace::registry::RegistryError;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let args = Args::parse();
    let filter = EnvFilter::try_from_env("QLB_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_target(false)
        .with_ansi(io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .init();
    match execute(args) {
        Ok(code) => ExitCode::from(code),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::from(code(error))
        }
    }
}

#[expect(clippy::print_stderr, reason = "this is where errors end")]
fn report(error: &anyhow::Error) {
    eprintln!("qlb: {error:#}");
}

fn code(error: anyhow::Error) -> u8 {
    match error.downcast::<RegistryError>() {
        Ok(error) => ControlError::from(error).exit_code(),
        Err(error) => error.downcast_ref().map_or(1, ControlError::exit_code),
    }
}

/// A reader that has seen enough, such as `head`, is no error.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
    })
}
