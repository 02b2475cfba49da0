//! The compiler, the linker and the programs of the demonstration and tests.

use super::Finding;
use crate::toolchain::packages::{self, Package};
use crate::toolchain::{self, Compiler, Search, debian, linker, rustup};

pub(super) fn findings() -> Vec<Finding> {
    let Search { found, rejected } = toolchain::search();
    let mut findings = vec![compiler(found.as_ref(), &rejected.join("; "))];
    if let Some(compiler) = found {
        findings.push(bpf_linker(compiler.llvm));
    }
    findings.push(programs("programs", &packages::RUN));
    findings
}

fn compiler(found: Option<&Compiler>, rejected: &str) -> Finding {
    let what = "BPF compiler";
    match found {
        Some(compiler) => Finding::ok(what, &compiler.name),
        None => {
            let debian = debian::COMPILER.map(|package| package.name).join(" ");
            let mend = format!("run `{}`, or as root `{} {debian}`", rustup::install_line(), APT);
            Finding::missing(what, rejected, mend)
        }
    }
}

fn bpf_linker(major: u32) -> Finding {
    let what = "bpf-linker";
    if let Some(path) = linker::find(major) {
        return Finding::ok(what, path.display().to_string());
    }
    let missing = packages::missing(&packages::linker(major));
    let detail = format!("{} for LLVM {major} is not built", linker::VERSION);
    let mend = if missing.is_empty() {
        "run `cargo xtask build`".to_owned()
    } else {
        format!("run `{APT} {}` as root, then `cargo xtask build`", missing.join(" "))
    };
    Finding::missing(what, detail, mend)
}

fn programs(what: &'static str, needed: &[Package]) -> Finding {
    let missing = packages::missing(needed);
    if missing.is_empty() {
        let names: Vec<&str> = needed.iter().map(|package| &*package.name).collect();
        return Finding::ok(what, names.join(" "));
    }
    let list = missing.join(" ");
    Finding::missing(what, &list, format!("run `{APT} {list}` as root"))
}

const APT: &str = "apt-get install --no-install-recommends";
