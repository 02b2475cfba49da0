//! What can be told wrong from the command line alone, before anything on the node is looked at.

#![allow(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use std::process::Command;

/// `qlb` with `args` must end with 2, and say all of `words` on stderr.
fn refused(args: &[&str], words: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_qlb")).args(args).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
    assert!(output.stdout.is_empty(), "{args:?}");
    for word in words {
        assert!(stderr.contains(word), "{args:?}: no {word:?} in {stderr}");
    }
}

#[test]
fn nothing_names_no_pool_and_no_member() {
    for args in [
        &["status", ""][..],
        &["conns", ""],
        &["member", "list", ""],
        &["member", "remove", "", "m"],
        &["member", "remove", "p", ""],
        &["member", "drain", "p", ""],
        &["member", "set", "p", "", "--weight", "1"],
        &["member", "add", "", "--address", "10.0.0.2", "--port", "22"],
    ] {
        refused(args, &["is empty"]);
    }
}
