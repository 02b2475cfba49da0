//! `haproxy` as a command: the same arguments, words and exit statuses (HAProxy manual of management, 3).
//!
//! Exit status 0 is success, 1 anything else.

mod background;
mod check;
mod earlier;
mod options;
mod pid_file;
mod serve;
mod stand;
mod summon;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;

use check::Checked;
use options::{Asked, parse};

pub use options::Options;
pub use stand::{stand, stands_in};

/// HAProxy's release that command line, statistics and log lines are those of, and what answers in its place.
const VERSION: &str = concat!(
    "HAProxy version 2.6-qlb-",
    env!("CARGO_PKG_VERSION"),
    " - served in the kernel by qlb"
);

const USAGE: &str = "Usage : haproxy [-f <cfgfile>]* [ -vdVD ] [ -p <pidfile> ] [-- <cfgfile>*]
        -v displays version ; -vv also what is served.
        -V enters verbose mode (disables quiet mode)
        -D goes daemon ; -db only disables background mode.
        -W, -Ws master-worker mode: as without, for there is one process.
        -q quiet mode : don't display messages
        -c check mode : only check config files and exit
        -p writes pids of all children to this file
        -sf/-st [pid ]* finishes/terminates old pids.
        Options about files, memory and threads of HAProxy's are accepted and mean nothing here.
";

/// Runs the command with these arguments, without the program's name; in the background the agent at `socket` serves. Returns the
/// exit status.
///
/// # Errors
/// When the output cannot be written.
pub fn command(socket: &Path, args: Vec<OsString>) -> anyhow::Result<u8> {
    let mut options = match parse(args.iter().cloned()) {
        Ok(Asked::Serve(options)) => options,
        Ok(Asked::Version { more }) => {
            let mut out = io::stdout().lock();
            writeln!(out, "{VERSION}")?;
            if more {
                writeln!(
                    out,
                    "Served: mode tcp, and mode http by connection; no TLS, no cookies, no rules"
                )?;
            }
            return Ok(0);
        }
        Err(wrong) => {
            let mut err = io::stderr().lock();
            writeln!(err, "{VERSION}\n{wrong}\n{USAGE}")?;
            return Ok(1);
        }
    };
    let Checked { pools, daemon, warned } = match check::read(&options) {
        Ok(checked) => checked,
        Err(check::Fatal) => return Ok(1),
    };
    if options.check {
        if !options.quiet {
            let mut out = io::stdout().lock();
            if warned {
                writeln!(out, "Warnings were found.")?;
            }
            writeln!(out, "Configuration file is valid")?;
        }
        return Ok(0);
    }
    options.daemon |= daemon;
    let served = if options.in_background() {
        background::serve(socket, &args, &options, &pools)
    } else {
        serve::serve(&options, &pools)
    };
    Ok(served.unwrap_or_else(|error| {
        check::say(options.quiet, "ALERT", &format!("{error:#}"));
        1
    }))
}
