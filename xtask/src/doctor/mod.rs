//! `doctor`: what this machine has and lacks. Looks only; installs and changes nothing.

mod kernel;
mod tools;

use std::process::ExitCode;

use anyhow::Result;

/// One thing looked at.
struct Finding {
    what: &'static str,
    state: State,
    /// What was found.
    detail: String,
    /// What to do about it; empty if nothing.
    mend: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ok,
    /// Worth knowing; everything works without.
    Note,
    Missing,
}

impl Finding {
    fn ok(what: &'static str, detail: impl Into<String>) -> Self {
        Self { what, state: State::Ok, detail: detail.into(), mend: String::new() }
    }

    fn note(what: &'static str, detail: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { what, state: State::Note, detail: detail.into(), mend: mend.into() }
    }

    fn missing(what: &'static str, detail: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { what, state: State::Missing, detail: detail.into(), mend: mend.into() }
    }

    fn line(&self) -> String {
        let state = match self.state {
            State::Ok => "OK",
            State::Note => "note",
            State::Missing => "missing",
        };
        let mend = if self.mend.is_empty() { String::new() } else { format!("; {}", self.mend) };
        format!("{state:<9}{:<20}{}{mend}", self.what, self.detail)
    }
}

/// Prints one line for each thing; fails if something needed is missing.
pub(crate) fn run() -> Result<ExitCode> {
    let findings: Vec<Finding> = kernel::findings().into_iter().chain(tools::findings()).collect();
    for finding in &findings {
        println!("{}", finding.line());
    }
    let missing = findings.iter().filter(|finding| finding.state == State::Missing).count();
    if missing == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!(
        "xtask: {missing} missing; `cargo xtask build`, `demo` and `test` install what they need themselves"
    );
    Ok(ExitCode::FAILURE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_says_what_to_do() {
        let line =
            Finding::missing("kernel BTF", "no /sys/kernel/btf/vmlinux", "boot a kernel with it")
                .line();
        assert_eq!(
            line,
            "missing  kernel BTF          no /sys/kernel/btf/vmlinux; boot a kernel with it"
        );
        assert_eq!(Finding::ok("bpffs", "mounted").line(), "OK       bpffs               mounted");
    }
}
