//! The `qlb` command.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser as _;
use lb_userspace::agent::client::ClientError;
use lb_userspace::agent::{AgentError, Talk};
use lb_userspace::cli::{Args, execute};
use lb_userspace::config::model::ValueError;
use lb_userspace::control::ControlError;
use lb_userspace::haproxy::{stand, stands_in};
use lb_userspace::registry::RegistryError;
use nix::errno::Errno;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    if stands_in() {
        return stand();
    }
    let mut given = std::env::args_os();
    let name = given.next().map(PathBuf::from).unwrap_or_default();
    let args = match name.file_name() {
        Some(name) if name == "haproxy" => Args::haproxy(given.collect()),
        Some(_) | None => Args::parse(),
    };
    let filter = EnvFilter::try_from_env("QLB_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Talk)
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
    eprintln!("qlb: {error:#}{}", hint(error));
}

/// The system says what it denied, not who may have it. A file the operator named is another
/// matter: its permissions may be meant, and its error says so.
fn hint(error: &anyhow::Error) -> &'static str {
    let denied = error.chain().any(|cause| {
        let io = cause.downcast_ref::<io::Error>();
        let errno = cause.downcast_ref::<Errno>();
        io.is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
            || errno.is_some_and(|errno| matches!(errno, Errno::EPERM | Errno::EACCES))
    });
    let named = matches!(error.downcast_ref(), Some(ControlError::Config(_)));
    if denied && !named { "; qlb needs root for this" } else { "" }
}

fn code(error: anyhow::Error) -> u8 {
    if error.is::<ValueError>() {
        return 2;
    }
    if let Some(error) = error.downcast_ref::<AgentError>() {
        return error.exit_code();
    }
    if let Some(error) = error.downcast_ref::<ClientError>() {
        return error.exit_code();
    }
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

#[cfg(test)]
mod tests {
    use lb_userspace::config::ConfigError;
    use lb_userspace::node::NodeError;

    use super::*;

    fn read(kind: io::ErrorKind) -> NodeError {
        NodeError::Read { path: "/proc/1/ns/mnt".into(), source: kind.into() }
    }

    #[test]
    fn whoever_is_denied_is_told_that_it_takes_root() {
        let hinted = |error: NodeError| hint(&ControlError::from(error).into()).contains("root");
        assert!(hinted(read(io::ErrorKind::PermissionDenied)));
        assert!(!hinted(read(io::ErrorKind::NotFound)));
        let mount = |source| NodeError::Mount { what: "mount", path: "/run/qlb".into(), source };
        assert!(hinted(mount(Errno::EPERM)));
        assert!(!hint(&Errno::EPERM.into()).is_empty());
        assert!(hint(&Errno::ENOENT.into()).is_empty());
    }

    #[test]
    fn a_file_the_operator_named_need_not_take_root() {
        let source = io::ErrorKind::PermissionDenied.into();
        let error = ConfigError::Read { path: "pool.yaml".into(), source };
        assert!(hint(&ControlError::from(error).into()).is_empty());
    }

    #[test]
    fn a_value_out_of_range_is_what_the_operator_wrote() {
        assert_eq!(code(ValueError::Weight(257).into()), 2);
    }
}
