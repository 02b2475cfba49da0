//! The machine that figures are of.

use std::fs;

use nix::sys::utsname::uname;

/// Settings of the kernel that are the whole machine's; a network namespace does not show them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `net.core.bpf_jit_enable`.
    pub jit: String,
    /// `net.core.bpf_jit_harden`.
    pub harden: String,
}

impl Settings {
    /// Reads them, outside of any sandbox.
    #[must_use]
    pub fn read() -> Self {
        let read = |name| {
            let text = fs::read_to_string(format!("/proc/sys/net/core/{name}"));
            text.map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
        };
        Self { jit: read("bpf_jit_enable"), harden: read("bpf_jit_harden") }
    }
}

/// Release of the kernel.
pub(super) fn kernel() -> String {
    uname().map_or_else(
        |_| "unknown".to_owned(),
        |name| format!("{} {}", name.release().to_string_lossy(), name.machine().to_string_lossy()),
    )
}

/// Model of the CPUs, and how many there are.
pub(super) fn cpus() -> (String, usize) {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let models = || text.lines().filter_map(|line| model(line));
    (models().next().unwrap_or("unknown").to_owned(), models().count())
}

/// What the CPUs' weaknesses make each return and each indirect call of the kernel cost; a helper of BPF is a call.
pub(super) fn mitigations() -> Vec<(&'static str, String)> {
    let read = |name: &'static str| {
        let path = format!("/sys/devices/system/cpu/vulnerabilities/{name}");
        fs::read_to_string(path).ok().map(|text| (name, text.trim().to_owned()))
    };
    ["spec_rstack_overflow", "retbleed", "spectre_v2"].into_iter().filter_map(read).collect()
}

fn model(line: &str) -> Option<&str> {
    line.strip_prefix("model name")?.split_once(": ").map(|(_, model)| model.trim())
}

#[cfg(test)]
mod tests {
    use super::model;

    #[test]
    fn a_cpu_is_named_on_a_line() {
        assert_eq!(model("model name\t: AMD EPYC"), Some("AMD EPYC"));
        assert_eq!(model("model\t\t: 1"), None);
    }
}
