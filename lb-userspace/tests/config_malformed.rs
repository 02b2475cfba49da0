//! Every file in `tests/corpus/malformed` is refused with exactly the text in its `.expect`.
//!
//! A file is named `<line>-<what>.<conf|yaml>`: the line the error has to name, 00 when the
//! file as a whole is wrong. `UPDATE_EXPECT=1` rewrites the texts, to be read before commit.

#![allow(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use lb_userspace::config::{ConfigError, Diagnostic, LoadOptions, parse};

const CORPUS: &str = "tests/corpus/malformed";

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(CORPUS)
}

fn inputs() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(corpus())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension != "expect"))
        .collect();
    files.sort();
    files
}

fn diagnostics(path: &Path) -> (String, Vec<Diagnostic>) {
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    let bytes = fs::read(path).unwrap();
    match parse(&format!("{CORPUS}/{name}"), &bytes, &LoadOptions::default()) {
        Err(ConfigError::Invalid(diagnostics)) => (name, diagnostics),
        other => panic!("{name}: expected a refusal, got {other:?}"),
    }
}

#[test]
fn the_corpus_is_large_enough_in_both_formats() {
    let of = |wanted: &str| {
        inputs().iter().filter(|path| path.extension().is_some_and(|e| e == wanted)).count()
    };
    assert!(of("conf") >= 18, "{} conf files", of("conf"));
    assert!(of("yaml") >= 18, "{} yaml files", of("yaml"));
}

#[test]
fn every_error_names_the_line_in_the_file_name_and_quotes_it() {
    let mut wrong = Vec::new();
    for path in inputs() {
        let (name, found) = diagnostics(&path);
        let line: usize = name.split_once('-').unwrap().0.parse().unwrap();
        if found[0].at.map_or(0, |at| at.line) != line {
            wrong.push(format!("{name}: {}", found[0]));
            continue;
        }
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        if let Some(at) = found[0].at {
            let quoted = text.lines().nth(line - 1).unwrap_or_default();
            assert_eq!(found[0].line, quoted, "{name}");
            assert!(at.column <= quoted.chars().count() + 1, "{name}: column {}", at.column);
        }
        assert!(found.iter().all(|d| !d.help.is_empty()), "{name}: an error without advice");
    }
    assert!(wrong.is_empty(), "errors at another line:\n{}", wrong.join("\n"));
}

#[test]
fn every_error_text_is_the_expected_one() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    for path in inputs() {
        let (name, found) = diagnostics(&path);
        let text = format!("{}\n", ConfigError::Invalid(found));
        let expect = PathBuf::from(format!("{}.expect", path.display()));
        if update {
            fs::write(&expect, &text).unwrap();
        }
        let wanted = fs::read_to_string(&expect).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(text, wanted, "{name}");
    }
}
