//! What only an old kernel can say: whether its verifier takes the programs, and whether they work there.

use std::ffi::OsString;
use std::process::{Command, Stdio};
use std::slice;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::report::Outcome;
use super::tally::Tally;
use super::tiers;
use crate::env;
use crate::vm::{Job, Machine};

/// The tests that run there: of a pool by itself, and of pools that share their programs; and of the outer end, where VLANs of a
/// bridge can be had. No more, as starts take long.
const TESTS: [&str; 2] = [
    "shared::who_says_how_large_its_conntrack_is_has_its_own",
    "host_bridge::the_vlans_of_the_bridge_stay_apart",
];
/// The test target of lb-tests that has them.
const TARGET: &str = "netns";

/// Runs these tests in a virtual machine with Debian's kernel. Where it cannot be had, that is a note and no failure:
/// it is fetched from Debian.
pub(super) fn run(filter: Option<&str>) -> Result<Outcome> {
    let machine = match Machine::ensure() {
        Ok(machine) => machine,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            let mut outcome = Outcome::default();
            outcome.note("not run, no Debian kernel: that it takes the programs is unproven");
            return Ok(outcome);
        }
    };
    let mut words = vec![env::binary("qlb-sandbox").into(), built()?];
    // Its console is a terminal, for which libtest would colour what is read here.
    words.extend(["--color=never", "--test-threads=1"].map(OsString::from));
    words.extend(filter.as_ref().map_or(&TESTS[..], slice::from_ref).iter().map(OsString::from));
    let tally = Arc::new(Mutex::new(Tally::default()));
    let heard = Arc::clone(&tally);
    let job =
        Job { counts: false, settings: &[("QLB_BIN", env::binary("qlb").into())], words: &words };
    let code = machine.run(&job, move |line| {
        println!("{line}");
        heard.lock().unwrap_or_else(PoisonError::into_inner).line(line);
    })?;
    let tally = *tally.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(Outcome::of_tests(tally, code == 0, filter.is_some()))
}

/// The program that has the tests.
fn built() -> Result<OsString> {
    let mut cargo: Command = tiers::test();
    cargo.args(["--no-run", "--message-format=json-render-diagnostics", "--package", "lb-tests"]);
    let output = cargo
        .args(["--test", TARGET])
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo test")?;
    if !output.status.success() {
        bail!("cargo did not build the tests of {TARGET}");
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let messages = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let of_target = |message: Value| {
        let is_it = message["target"]["name"] == TARGET;
        message["executable"].as_str().filter(|_| is_it).map(OsString::from)
    };
    messages.rev().find_map(of_target).with_context(|| format!("no program has {TARGET}'s tests"))
}
