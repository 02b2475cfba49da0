//! The rules of ARCHITECTURE.md that a look at the sources can check.

use std::fs;
use std::path::{Path, PathBuf};

/// Lines after which a file has more than one concern.
const LONGEST: usize = 400;

/// Every Rust source below `place`, relative to the workspace root, with its text.
fn sources(place: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    let mut pending: Vec<PathBuf> = vec![root.join(place)];
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
            pending.extend(entries);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(&root).unwrap().display().to_string();
            found.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
    assert!(!found.is_empty(), "there is no source below {place}");
    found
}

fn every_source() -> Vec<(String, String)> {
    ["lb-common", "lb-ebpf", "lb-userspace", "xtask", "tests", "fuzz/fuzz_targets"]
        .into_iter()
        .flat_map(sources)
        .collect()
}

fn offenders(all: Vec<(String, String)>, wrong: impl Fn(&str, &str) -> bool) -> Vec<String> {
    all.into_iter().filter(|(name, text)| wrong(name, text)).map(|(name, _)| name).collect()
}

#[test]
fn unsafe_blocks_are_in_the_files_made_for_them() {
    let rooms = [
        "lb-ebpf/src/atomic.rs",
        "lb-ebpf/src/enter.rs",
        "lb-ebpf/src/maps.rs",
        "lb-ebpf/src/maps/hops.rs",
        "lb-ebpf/src/maps/walk.rs",
        "lb-ebpf/src/maps/zone.rs",
        "lb-ebpf/src/packet.rs",
        "lb-ebpf/src/words.rs",
        "lb-ebpf/src/xdp.rs",
        // No part of qlb: what the bench compares with.
        "lb-ebpf/src/hairpin.rs",
        // bpf(2) for instructions and flags that aya does not take.
        "tests/src/bpf.rs",
    ];
    let block = concat!("unsafe", " {");
    let found =
        offenders(every_source(), |name, text| text.contains(block) && !rooms.contains(&name));
    assert_eq!(found, [""; 0]);
    let common =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../lb-common/src/lib.rs"));
    assert!(common.unwrap().contains("#![forbid(unsafe_code)]"));
}

#[test]
fn only_the_datapath_module_names_maps_and_programs() {
    let names = [
        "\"FLOWS\"",
        "\"POOLS\"",
        "\"VIPS\"",
        "\"LOADS\"",
        "\"qlb_ingress\"",
        "\"qlb_reap\"",
        "\"qlb_route\"",
        "\"qlb_early\"",
    ];
    let found = offenders(sources("lb-userspace"), |name, text| {
        !name.starts_with("lb-userspace/src/datapath/") && names.iter().any(|n| text.contains(n))
    });
    assert_eq!(found, [""; 0]);
}

#[test]
fn configuration_knows_nothing_of_the_node() {
    let rooms = ["datapath", "node", "registry", "control", "report", "cli"];
    let found = offenders(sources("lb-userspace/src/config"), |_, text| {
        rooms.iter().any(|room| text.contains(&format!("use crate::{room}")))
    });
    assert_eq!(found, [""; 0]);
}

#[test]
fn decisions_depend_on_nothing_but_zerocopy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let manifest = fs::read_to_string(root.join("lb-common/Cargo.toml")).unwrap();
    let (_, rest) = manifest.split_once("\n[dependencies]\n").unwrap();
    let section = rest.split("\n[").next().unwrap();
    assert_eq!(section.trim(), "zerocopy.workspace = true");
}

#[test]
fn files_have_one_concern() {
    let found = offenders(every_source(), |_, text| text.lines().count() > LONGEST);
    assert_eq!(found, [""; 0]);
}
