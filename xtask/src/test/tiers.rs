//! Running `cargo test` and counting while its output goes by.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, anyhow};

use super::report::Outcome;
use super::tally::Tally;
use crate::privilege::Privilege;
use crate::{env, signals, toolchain};

/// The tests that need nothing but the compiler.
pub(super) fn pure(filter: Option<&str>) -> Result<Outcome> {
    let mut cargo = test();
    cargo.args(["--package", "lb-common", "--package", "lb-userspace", "--package", "xtask"]);
    counted(cargo, false, filter)
}

/// The given test targets of lb-tests, each inside the sandbox; `serial` for those that share its namespaces.
pub(super) fn sandboxed(targets: &[&str], serial: bool, filter: Option<&str>) -> Result<Outcome> {
    let mut cargo = test();
    cargo.arg("--config").arg(runner()?).args(["--package", "lb-tests"]);
    cargo.args(targets.iter().flat_map(|target| ["--test", target]));
    counted(cargo, serial, filter)
}

pub(super) fn test() -> Command {
    let mut cargo = env::host_cargo();
    cargo
        .args(["test", "--release", "--locked", "--no-fail-fast"])
        .env("QLB_BIN", env::binary("qlb"));
    cargo
}

/// Cargo's setting to start test binaries through the sandbox: a list, so that paths may hold spaces.
fn runner() -> Result<String> {
    let sandbox = env::binary("qlb-sandbox");
    let sandbox = sandbox.to_str().context("the path of the workspace is not UTF-8")?;
    let words: Vec<&str> =
        Privilege::find().prefix("this tier")?.iter().copied().chain([sandbox]).collect();
    // A JSON list of strings is a TOML one as well.
    Ok(format!("target.{}.runner={}", toolchain::host()?, serde_json::to_string(&words)?))
}

fn counted(mut cargo: Command, serial: bool, filter: Option<&str>) -> Result<Outcome> {
    cargo.arg("--");
    cargo.args(serial.then_some("--test-threads=1")).args(filter);
    let mut child = cargo.stdout(Stdio::piped()).spawn().context("cannot start cargo test")?;
    let output = child.stdout.take().context("cargo test has no output")?;
    let counter = thread::spawn(move || count(output, std::io::stdout()));
    let status = signals::wait(&mut child)?;
    let tally = counter.join().map_err(|_| anyhow!("the counter of test results died"))??;
    Ok(Outcome::of_tests(tally, status.success(), filter.is_some()))
}

/// Passes `output` on to `sink` as it comes and counts its result lines.
fn count(output: impl Read, mut sink: impl Write) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut lines = BufReader::new(output);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).context("cannot read from cargo test")? > 0 {
        sink.write_all(&line)
            .and_then(|()| sink.flush())
            .context("cannot pass on the output of cargo test")?;
        tally.line(&String::from_utf8_lossy(&line));
        line.clear();
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_passed_on_unchanged_and_bytes_that_are_no_text_do_not_stop_the_count() {
        let output: &[u8] = b"\xff\xfe\ntest result: ok. 2 passed; 0 failed; 0 ignored\n";
        // Into a buffer: on standard output the line would count in the run that runs this test.
        let mut seen = Vec::new();
        assert_eq!(count(output, &mut seen).unwrap(), Tally { passed: 2, failed: 0, ignored: 0 });
        assert_eq!(seen, output);
    }
}
