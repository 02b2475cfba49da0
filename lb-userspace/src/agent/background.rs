//! An agent that nobody watches: it was started because there was none, and ends when it has nothing to do.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nix::unistd::{dup2_stderr, dup2_stdout, setsid};

use super::AgentError;
use crate::control::ControlError;
use crate::node::enter_root_network;

/// Leaves whoever started this process: it has a session of its own, and the network of the node, not that of a namespace which
/// would otherwise live for as long as the agent does. There must be one thread only.
pub(super) fn leave_caller() -> Result<(), AgentError> {
    // A process that leads a group already leads a session as well, or was started by hand.
    let _ = setsid();
    Ok(enter_root_network()?)
}

/// Where syslog listens, and what it is to make of a line: facility daemon, level info.
const SYSLOG: &str = "/dev/log";
const PRIORITY: u8 = 3 << 3 | 6;

/// The way to syslog, once nobody reads stderr any more.
static TO_SYSLOG: OnceLock<UnixDatagram> = OnceLock::new();

/// Where this process talks: on stderr, or to syslog when it is an agent that nobody watches. A line for each write.
#[derive(Clone, Copy, Debug)]
pub struct Talk;

impl io::Write for Talk {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let Some(syslog) = TO_SYSLOG.get() else { return io::stderr().write(line) };
        let mut text = format!("<{PRIORITY}>qlb[{}]: ", std::process::id()).into_bytes();
        text.extend(line.trim_ascii_end());
        // What syslog does not take at once is lost, for nobody is to wait for it.
        let _ = syslog.send(&text);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if TO_SYSLOG.get().is_some() { Ok(()) } else { io::stderr().flush() }
    }
}

/// Says nothing more to whoever started this process, who waits for the end of what it says.
pub(super) fn fall_silent() -> Result<(), AgentError> {
    let failed = |source: io::Error| AgentError::from(ControlError::Start(source));
    let null = OpenOptions::new().read(true).write(true).open("/dev/null").map_err(failed)?;
    dup2_stdout(&null).map_err(|errno| failed(errno.into()))?;
    dup2_stderr(&null).map_err(|errno| failed(errno.into()))?;
    let syslog = UnixDatagram::unbound().map_err(failed)?;
    syslog.set_nonblocking(true).map_err(failed)?;
    // Without a syslog nobody hears it.
    if syslog.connect(SYSLOG).is_ok() {
        let _ = TO_SYSLOG.set(syslog);
    }
    Ok(())
}

/// Directories that are not there yet, the innermost first.
pub(super) fn missing(directory: &Path) -> Vec<PathBuf> {
    let is_missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
    directory.ancestors().take_while(is_missing).map(Path::to_owned).collect()
}

/// Removes those of them that are empty.
pub(super) fn remove_empty(directories: &[PathBuf]) {
    // One that is used by now stays, and with it those around it.
    let _ = directories.iter().try_for_each(fs::remove_dir);
}
