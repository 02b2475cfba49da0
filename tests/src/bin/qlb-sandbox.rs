//! `qlb-sandbox COMMAND [ARGUMENT..]`: runs a command in a private world that dies with it.

use std::ffi::OsString;
use std::process::ExitCode;

use lb_tests::sandbox;

const USAGE: &str = "usage: qlb-sandbox COMMAND [ARGUMENT..]

Runs COMMAND as root in new mount, network, PID and UTS namespaces with a private /tmp, /run,
/var/log and BPF file system. Nothing it makes outlives it, even after SIGKILL.
Exit code: COMMAND's own; 128 + signal number if stopped; 125 if the sandbox cannot be made.";

fn main() -> ExitCode {
    if let Some(code) = sandbox::dispatch() {
        return code;
    }
    let argv: Vec<OsString> = std::env::args_os().skip(1).collect();
    match argv.first().map(|first| first.to_string_lossy()).as_deref() {
        Some("-h" | "--help") => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        None => {
            eprintln!("{USAGE}");
            ExitCode::from(125)
        }
        Some(_) => sandbox::run_to_exit(&argv),
    }
}
