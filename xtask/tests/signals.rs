//! What children of xtask make of signals. Alone in its process: signals and orphans belong to all of it.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

#[expect(dead_code, reason = "only what is tested is used")]
#[path = "../src/signals.rs"]
mod signals;

use std::process::{Command, Stdio};

/// `SIGINT`, `SIGTERM`, `SIGHUP`, `SIGCHLD` in the masks of proc(5).
const HELD: u64 = 1 << 1 | 1 << 14 | 1 << 0 | 1 << 16;

#[test]
fn children_hear_signals_and_xtask_outlives_their_orphans() {
    signals::hold().unwrap();
    let status = Command::new("cat").arg("/proc/self/status").output().unwrap().stdout;
    let status = String::from_utf8(status).unwrap();
    for field in ["SigBlk:", "SigIgn:"] {
        let mask = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        let mask = u64::from_str_radix(mask.trim(), 16).unwrap();
        assert_eq!(mask & HELD, 0, "{field} of a child");
    }

    // As on Ctrl-C: the child ends at once, and what it started is still at work.
    let dir = std::env::temp_dir().join(format!("xtask-signals-{}", std::process::id()));
    std::fs::create_dir(&dir).unwrap();
    let script = "(trap '' INT; kill -INT $PPID; sleep 0.3; : > done) & exec sleep 10";
    let mut child =
        Command::new("sh").args(["-c", script]).current_dir(&dir).stdin(Stdio::null()).spawn();
    let ended = signals::wait(child.as_mut().unwrap());
    let cleaned_up = dir.join("done").exists();
    std::fs::remove_dir_all(&dir).unwrap();
    assert!(ended.unwrap_err().is::<signals::Interrupted>());
    assert!(cleaned_up, "the orphan was not waited for");
}
