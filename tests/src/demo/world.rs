//! What exists besides the story: to be the same before and after.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use super::{Failure, Story};
use crate::wait_until;

const DEADLINE: Duration = Duration::from_secs(5);

/// Names of everything the story could leave behind.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct World {
    names: BTreeSet<String>,
}

impl World {
    pub(super) fn look() -> Self {
        let list = |dir: &str| {
            let entries = fs::read_dir(dir).into_iter().flatten().flatten();
            let named = |entry: fs::DirEntry| entry.path().to_string_lossy().into_owned();
            entries.map(named).collect::<Vec<_>>()
        };
        // /run/qlb itself may stay: what counts is state of pools and pinned BPF objects.
        let dirs =
            ["/run/netns", "/sys/class/net", "/sys/fs/bpf", "/run/qlb/pools", "/run/qlb/bpf"];
        let mut names: BTreeSet<String> = dirs.into_iter().flat_map(list).collect();
        let process = |path: &String| path.bytes().skip(6).all(|byte| byte.is_ascii_digit());
        names.extend(list("/proc").into_iter().filter(process));
        Self { names }
    }

    /// Claims that everything is as it was. The kernel finishes some removals behind the call.
    pub(super) fn claim_unchanged(&self, story: &mut Story) -> Result<(), Failure> {
        let same = wait_until(|| Self::look() == *self, DEADLINE, "the sandbox empty again");
        let text = "no namespace, device, process or BPF pin of the story is left";
        story.claim(same.is_ok(), text, || {
            let now = Self::look();
            let left: Vec<&str> = now.names.difference(&self.names).map(String::as_str).collect();
            format!("left: {}", left.join(" "))
        })
    }
}
