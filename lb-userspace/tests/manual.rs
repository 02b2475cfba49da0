//! Completions and manual pages are made, and name every command.

#![allow(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use std::process::Command;

use clap::CommandFactory as _;
use lb_userspace::cli::Args;

fn qlb(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_qlb")).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn commands() -> Vec<String> {
    Args::command().get_subcommands().map(|command| command.get_name().to_owned()).collect()
}

#[test]
fn completions_name_every_command_and_bash_reads_them() {
    for shell in ["bash", "zsh", "fish"] {
        let script = qlb(&["completions", shell]);
        for command in commands() {
            assert!(script.contains(&command), "{shell}: {command}");
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("qlb.bash");
    std::fs::write(&path, qlb(&["completions", "bash"])).unwrap();
    let line = format!(
        "source {}; COMP_WORDS=(qlb get po); COMP_CWORD=2; _qlb qlb po get; echo \"${{COMPREPLY[*]}}\"",
        path.display()
    );
    let output = Command::new("bash").args(["--norc", "-c", &line]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.split_whitespace().any(|word| word == "pools"), "{output:?}");
}

#[test]
fn every_command_has_a_page() {
    let dir = tempfile::tempdir().unwrap();
    let pages = dir.path().join("man1");
    qlb(&["man", pages.to_str().unwrap()]);
    let page = |name: &str| std::fs::read_to_string(pages.join(format!("{name}.1"))).unwrap();
    assert!(page("qlb").contains(".SH SUBCOMMANDS"));
    for command in commands() {
        let text = page(&format!("qlb-{command}"));
        assert!(text.contains(".TH") && text.contains(".SH SYNOPSIS"), "{command}");
    }
    assert!(page("qlb-agent").contains("/var/lib/qlb/desired"));
}
