//! The kernel and what it lets us do.

use std::fs;
use std::path::Path;

use nix::sys::utsname::uname;

use super::Finding;
use crate::privilege::Privilege;

/// `bpf_redirect_neigh` (Linux 5.10) is what the datapath cannot do without.
const OLDEST: (u32, u32) = (5, 10);
/// tcx, TC programs attached by a BPF link (Linux 6.6); before it, clsact and a filter.
const TCX: (u32, u32) = (6, 6);

/// Capabilities in use, with their bit in `CapEff` (linux/capability.h).
const CAPABILITIES: [(&str, u32); 5] = [
    ("CAP_NET_ADMIN", 12),
    ("CAP_NET_RAW", 13),
    ("CAP_SYS_ADMIN", 21),
    ("CAP_PERFMON", 38),
    ("CAP_BPF", 39),
];

pub(super) fn findings() -> Vec<Finding> {
    let release =
        uname().map(|name| name.release().to_string_lossy().into_owned()).unwrap_or_default();
    let version = version(&release).unwrap_or_default();
    vec![kernel(&release, version), hook(version), btf(), capabilities(), bpffs(), namespaces()]
}

fn kernel(release: &str, version: (u32, u32)) -> Finding {
    if version >= OLDEST {
        Finding::ok("kernel", release)
    } else {
        Finding::missing(
            "kernel",
            release,
            format!("boot Linux {}.{} or later", OLDEST.0, OLDEST.1),
        )
    }
}

fn hook(version: (u32, u32)) -> Finding {
    let hook = if version >= TCX { "tcx links" } else { "clsact filters (tcx needs Linux 6.6)" };
    Finding::ok("TC hook", hook)
}

fn btf() -> Finding {
    let file = "/sys/kernel/btf/vmlinux";
    if Path::new(file).exists() {
        Finding::ok("kernel BTF", file)
    } else {
        Finding::missing(
            "kernel BTF",
            format!("no {file}"),
            "boot a kernel with CONFIG_DEBUG_INFO_BTF=y",
        )
    }
}

fn capabilities() -> Finding {
    let what = "capabilities";
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let lacking = lacking(&status);
    if lacking.is_empty() {
        return Finding::ok(what, CAPABILITIES.map(|(name, _)| name).join(" "));
    }
    let detail = format!("no {}", lacking.join(" "));
    match Privilege::find() {
        Privilege::Sudo => Finding::note(what, detail, "load, demo and test use sudo"),
        Privilege::Root => Finding::missing(
            what,
            detail,
            "root is confined here: run outside the container or with --privileged",
        ),
        Privilege::None => Finding::missing(what, detail, "run as root, or install sudo"),
    }
}

fn lacking(status: &str) -> Vec<&'static str> {
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0);
    CAPABILITIES
        .iter()
        .filter(|(_, bit)| effective >> bit & 1 == 0)
        .map(|(name, _)| *name)
        .collect()
}

fn bpffs() -> Finding {
    let what = "bpffs";
    let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    if !known.lines().any(|line| line.split_whitespace().last() == Some("bpf")) {
        return Finding::missing(
            what,
            "the kernel does not know it",
            "boot a kernel with CONFIG_BPF_SYSCALL=y",
        );
    }
    Finding::ok(what, "the kernel knows it; qlb mounts its own at /run/qlb/bpf")
}

fn namespaces() -> Finding {
    let what = "network namespaces";
    let limit = fs::read_to_string("/proc/sys/user/max_net_namespaces").unwrap_or_default();
    if !Path::new("/proc/self/ns/net").exists() {
        Finding::missing(what, "the kernel has none", "boot a kernel with CONFIG_NET_NS=y")
    } else if limit.trim() == "0" {
        Finding::missing(
            what,
            "none may be made",
            "run `sysctl user.max_net_namespaces=1024` as root",
        )
    } else {
        Finding::ok(what, format!("up to {}", limit.trim()))
    }
}

/// The first two numbers of a kernel release.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_release_is_read() {
        assert_eq!(version("6.18.44-fc-v595"), Some((6, 18)));
        assert_eq!(version("6.6-rc1"), Some((6, 6)));
        assert_eq!(version("odd"), None);
    }

    #[test]
    fn lacking_capabilities_are_named() {
        assert_eq!(lacking("CapEff:\t000001ffffffffff\n"), Vec::<&str>::new());
        assert_eq!(lacking("CapEff:\t000000c000003000\n"), ["CAP_SYS_ADMIN"]);
        assert_eq!(lacking("").len(), CAPABILITIES.len());
    }
}
