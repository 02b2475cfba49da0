//! `haproxy` as a command, as far as it touches nothing of the node.

#![allow(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Command, Output};

const COOKIE: &str = "../examples/haproxy/http-cookie.conf";
const MYSQL: &str = "../examples/haproxy/mysql-tcp.conf";
const SEED: &str = "../examples/574a31da-a28a-449f-8c9d-3d3687c3c02a/conf";

/// Called by a link of that name, as Neutron does, and as `qlb haproxy`: both must do the same.
fn haproxy(args: &[&str]) -> (i32, String, String) {
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join("haproxy");
    symlink(env!("CARGO_BIN_EXE_qlb"), &link).unwrap();
    let told = |output: Output, pid: &str| {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let stderr = text(&output.stderr);
        let lines = stderr.lines().map(|line| match (line.find('('), line.find(')')) {
            (Some(from), Some(to)) if line.starts_with('[') => {
                format!("{}{pid}{}\n", &line[..=from], &line[to..])
            }
            _ => format!("{line}\n"),
        });
        (output.status.code().unwrap(), text(&output.stdout), lines.collect::<String>())
    };
    let linked = told(Command::new(&link).args(args).output().unwrap(), "PID");
    let program = Command::new(env!("CARGO_BIN_EXE_qlb")).arg("haproxy").args(args).output();
    assert_eq!(told(program.unwrap(), "PID"), linked, "{args:?}");
    linked
}

#[test]
fn confs_are_checked_as_haproxy_checks_them() {
    let valid = "Configuration file is valid\n".to_owned();
    assert_eq!(haproxy(&["-c", "-f", SEED]), (0, valid.clone(), String::new()));
    let (code, stdout, stderr) = haproxy(&["-c", "-f", MYSQL, "-sf", "1"]);
    assert_eq!((code, stdout), (0, format!("Warnings were found.\n{valid}")));
    assert!(stderr.starts_with("[WARNING]  (PID) : config : backend '3b9d6a5e-"), "{stderr}");
    assert_eq!(haproxy(&["-q", "-c", "-f", MYSQL]), (0, String::new(), String::new()));
}

#[test]
fn what_is_unsupported_is_refused_by_its_line_and_what_is_degraded_is_said_once() {
    for args in [&["-c", "-f", COOKIE][..], &["-f", COOKIE, "-p", "/nonexistent/pid"]] {
        let (code, stdout, stderr) = haproxy(args);
        assert_eq!((code, stdout.as_str()), (1, ""), "{stderr}");
        let cookie = format!("[ALERT]    (PID) : config : parsing [{COOKIE}:28] : `cookie SRV`: ");
        assert_eq!(stderr.matches(&cookie).count(), 1, "{stderr}");
        for (line, what) in [(18, "`mode http`"), (20, "`option forwardfor`")] {
            let said = format!("[WARNING]  (PID) : config : parsing [{COOKIE}:{line}] : {what}");
            assert_eq!(stderr.matches(&said).count(), 1, "{said}: {stderr}");
        }
        let last = "[ALERT]    (PID) : config : Fatal errors found in configuration.\n";
        assert!(stderr.ends_with(last), "{stderr}");
    }
}

#[test]
fn mistakes_are_named_by_file_and_line() {
    let dir = tempfile::tempdir().unwrap();
    let conf = dir.path().join("conf");
    let text = "frontend f\n\tbind 192.0.2.1:80\n\tdefault_backend b\nbackend b\n\tserver x 192.0.2.2:80 weight 300\n";
    fs::write(&conf, text).unwrap();
    let conf = conf.to_str().unwrap();
    let (code, _, stderr) = haproxy(&["-c", "-f", conf]);
    let alert =
        format!("[ALERT]    (PID) : config : parsing [{conf}:5] : weight 300 is not in 0..=256");
    assert!(code == 1 && stderr.starts_with(&alert), "{stderr}");
    let file =
        format!("[ALERT]    (PID) : config : Error(s) found in configuration file : {conf}\n");
    assert!(stderr.contains(&file), "{stderr}");
    let (code, _, stderr) = haproxy(&["-c", "-f", "/nonexistent"]);
    let missing = "Cannot open configuration file/directory /nonexistent : No such file";
    assert!(code == 1 && stderr.contains(missing), "{stderr}");
}

#[test]
fn versions_and_usage() {
    let (code, stdout, stderr) = haproxy(&["-v"]);
    assert!(code == 0 && stdout.starts_with("HAProxy version 2.6-qlb-"), "{stdout}{stderr}");
    assert_eq!(haproxy(&["-vv"]).1.lines().count(), 2);
    for args in [&[][..], &["-f"], &["-f", SEED, "-Z"]] {
        let (code, stdout, stderr) = haproxy(args);
        assert_eq!((code, stdout.as_str()), (1, ""), "{args:?}");
        assert!(stderr.contains("\nUsage : haproxy ["), "{stderr}");
    }
}
