//! Debian packages: which are needed, which are missing.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::apt;
use crate::{env, exec};

/// A package, and how to know on other systems that its contents are there.
#[derive(Debug, Clone)]
pub(crate) struct Package {
    pub(crate) name: Cow<'static, str>,
    /// A command on the path or an absolute file. `None` if only the package itself will do.
    witness: Option<Cow<'static, str>>,
}

impl Package {
    pub(crate) const fn new(name: &'static str, witness: Option<&'static str>) -> Self {
        let witness = match witness {
            Some(witness) => Some(Cow::Borrowed(witness)),
            None => None,
        };
        Self { name: Cow::Borrowed(name), witness }
    }

    fn witnessed(&self) -> bool {
        match self.witness.as_deref() {
            Some(file) if file.starts_with('/') => Path::new(file).exists(),
            Some(command) => env::which(command).is_some(),
            None => false,
        }
    }
}

/// What the demonstration and the tests in network namespaces run.
pub(crate) const RUN: [Package; 13] = [
    Package::new("iproute2", Some("ip")),
    Package::new("openssh-server", Some("sshd")),
    Package::new("openssh-client", Some("ssh")),
    Package::new("nginx-light", Some("nginx")),
    Package::new("curl", Some("curl")),
    Package::new("tcpdump", Some("tcpdump")),
    Package::new("ethtool", Some("ethtool")),
    Package::new("iperf3", Some("iperf3")),
    Package::new("wrk", Some("wrk")),
    Package::new("haproxy", Some("haproxy")),
    Package::new("procps", Some("sysctl")),
    Package::new("dnsmasq-base", Some("dnsmasq")),
    Package::new("nftables", Some("nft")),
];

/// What else is measured beside qlb.
pub(crate) const PEERS: [Package; 2] = [
    Package::new("ipvsadm", Some("ipvsadm")),
    Package::new("libnginx-mod-stream", Some("/usr/lib/nginx/modules/ngx_stream_module.so")),
];

/// What an emulated machine with Debian's kernel takes.
pub(crate) const VM: [Package; 4] = [
    Package::new("qemu-system-x86", Some("qemu-system-x86_64")),
    Package::new("busybox-static", None),
    Package::new("kmod", Some("depmod")),
    Package::new("cpio", Some("cpio")),
];

/// What building bpf-linker against LLVM `major` takes.
pub(crate) fn linker(major: u32) -> [Package; 4] {
    let llvm = |name: String, file: &str| Package {
        name: name.into(),
        witness: Some(format!("/usr/lib/llvm-{major}/{file}").into()),
    };
    [
        llvm(format!("llvm-{major}-dev"), "bin/llvm-config"),
        llvm(format!("libpolly-{major}-dev"), "lib/libPolly.a"),
        Package::new("gcc", Some("cc")),
        Package::new("libc6-dev", Some("/usr/include/stdio.h")),
    ]
}

/// Installs those of `packages` that are missing; `why` is what needs them.
pub(crate) fn ensure(packages: &[Package], why: &str) -> Result<()> {
    let missing = missing(packages);
    if missing.is_empty() { Ok(()) } else { apt::install(&missing, why) }
}

/// Names of those of `packages` that are not there.
///
/// A package dpkg knows only half (unpacked, half configured) is missing, whatever files it has left behind.
pub(crate) fn missing(packages: &[Package]) -> Vec<String> {
    let names = packages.iter().map(|package| &*package.name);
    let output = Command::new("dpkg-query")
        .args(["--show", "--showformat", "${Package} ${db:Status-Abbrev}\\n"])
        .args(names)
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    let (installed, broken) = states(&output);
    let here = |package: &Package| {
        installed.contains(&*package.name)
            || (!broken.contains(&*package.name) && package.witnessed())
    };
    packages
        .iter()
        .filter(|package| !here(package))
        .map(|package| package.name.to_string())
        .collect()
}

/// Installed and half-installed packages out of dpkg-query's answer; one that is gone (`un`, `rc`) is neither.
fn states(output: &str) -> (BTreeSet<&str>, BTreeSet<&str>) {
    let (mut installed, mut broken) = (BTreeSet::new(), BTreeSet::new());
    for (name, state) in output.lines().filter_map(|line| line.split_once(' ')) {
        match state.as_bytes().get(1) {
            Some(b'i') => installed.insert(name),
            Some(b'n' | b'c') | None => false,
            Some(_) => broken.insert(name),
        };
    }
    (installed, broken)
}

/// Whether the machine has apt.
pub(crate) fn apt_here() -> bool {
    env::which("apt-get").is_some()
        && exec::captured(Command::new("dpkg").arg("--version")).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_told_apart() {
        let (installed, broken) =
            states("curl ii \nwrk rc \nnginx-light iF \nhaproxy un \nprocps hi \n");
        assert_eq!(installed, BTreeSet::from(["curl", "procps"]));
        assert_eq!(broken, BTreeSet::from(["nginx-light"]));
    }

    #[test]
    fn missing_package_is_named_and_a_witness_counts() {
        let packages = [
            Package::new("no-such-package-a", None),
            Package::new("no-such-package-b", Some("sh")),
            Package::new("no-such-package-c", Some("/nonexistent/file")),
        ];
        assert_eq!(missing(&packages), ["no-such-package-a", "no-such-package-c"]);
    }
}
