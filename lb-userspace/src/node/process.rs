//! Processes, told apart by id and start: an id comes to mean another process in time.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// When a process started, in ticks since the boot (proc(5), field 22 of /proc/PID/stat); none if it has ended.
#[must_use]
pub fn start_of(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in brackets, may hold anything.
    let (_, rest) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    // One that waits to be reaped has ended.
    let has_ended = matches!(fields.first(), None | Some(&("Z" | "X" | "x")));
    if has_ended { None } else { fields.get(19)?.parse().ok() }
}

/// Whether a process is called haproxy: a real one, or one that stands in for it.
#[must_use]
pub fn is_haproxy(pid: i32) -> bool {
    let Ok(line) = fs::read(format!("/proc/{pid}/cmdline")) else { return false };
    let program = line.split(|byte| *byte == 0).next().unwrap_or_default();
    let program = Path::new(std::ffi::OsStr::from_bytes(program));
    program.file_name().is_some_and(|name| name == "haproxy")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_a_start_until_it_has_ended() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(start_of(own).is_some() && !is_haproxy(own));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        // A zombie first, then nothing.
        while start_of(pid).is_some() {
            assert!(std::time::Instant::now() < deadline);
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert_eq!(start_of(pid), None);
    }
}
