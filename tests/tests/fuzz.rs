//! The fuzz targets on the committed corpus, and on every committed crash: without libFuzzer, so that a bug once found
//! stays found by any compiler.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};

use lb_tests::fuzz::{TARGETS, Target};

/// Inputs of a target, in order.
fn inputs(of: &str, name: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz").join(of).join(name);
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn replay(target: Target, paths: &[PathBuf]) -> Vec<String> {
    let crashes = |path: &&PathBuf| {
        let bytes = fs::read(path).unwrap();
        panic::catch_unwind(AssertUnwindSafe(|| target(&bytes))).is_err()
    };
    paths.iter().filter(crashes).map(|path| path.display().to_string()).collect()
}

#[test]
fn the_corpus_and_every_crash_pass() {
    let mut failed = Vec::new();
    for (name, target) in TARGETS {
        let corpus = inputs("corpus", name);
        assert!(!corpus.is_empty(), "{name} has no corpus");
        failed.extend(replay(target, &corpus));
        failed.extend(replay(target, &inputs("artifacts", name)));
    }
    assert_eq!(failed, [""; 0]);
}

/// A corpus that no longer reaches what it was collected for would pass for ever.
#[test]
fn a_target_that_panics_is_noticed() {
    let path = inputs("corpus", "packets").remove(0);
    assert_eq!(replay(|_| panic!("as a bug would"), &[path]).len(), 1);
}
