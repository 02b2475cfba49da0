//! What belongs to nobody: records of pools whose place is gone, pins without a record, namespaces without a pool.
//!
//! Whatever may still carry traffic stays: a pool that is attached, a namespace with a device or a process in it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use netns_rs::NetNs;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::AgentError;
use crate::config::PoolSpec;
use crate::control::{Standing, standing, stop};
use crate::node::{NodeError, Place};
use crate::registry::{Registry, Served};
use crate::report::API_VERSION;

/// How Neutron's namespaces of load balancers begin.
const NEUTRON: &str = "qlbaas-";

/// Something that belongs to nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Item {
    /// What it is: record, pins, directory or namespace.
    pub kind: String,
    /// The pool's id, the path, or the namespace's name.
    pub name: String,
    /// Why it is nobody's.
    pub reason: String,
    /// Whether it is removed now.
    pub removed: bool,
    /// Why it could not be; null if it was, or was not to be.
    pub error: Option<String>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Garbage {
    /// Version of the answer.
    pub api_version: String,
    /// Whether it was only asked for.
    pub dry_run: bool,
    /// Each thing.
    pub items: Vec<Item>,
}

/// What is done to be rid of something.
type Removal<'a> = Box<dyn Fn() -> Result<(), AgentError> + 'a>;

/// What the agent has.
#[derive(Clone, Debug, Default)]
pub struct Owned {
    /// The ids of its pools.
    pub ids: BTreeSet<String>,
    /// Their namespaces; none if nobody knows, and then no namespace is nobody's.
    pub namespaces: Option<BTreeSet<String>>,
}

impl Owned {
    /// Ids and namespaces of these pools.
    #[must_use]
    pub fn of(pools: &[PoolSpec]) -> Self {
        Self {
            ids: pools.iter().map(|pool| pool.id.to_string()).collect(),
            namespaces: Some(pools.iter().map(PoolSpec::namespace).collect()),
        }
    }
}

/// Finds what belongs to nobody, and removes it unless only asked to look. A namespace is empty only if this process may
/// see that no other one is in it.
///
/// # Errors
/// When the records cannot be read.
pub fn collect(registry: &Registry, owned: &Owned, dry_run: bool) -> Result<Garbage, AgentError> {
    let mut found: Vec<(Item, Removal<'_>)> = Vec::new();
    let served = registry.list()?;
    let mut lost = BTreeSet::new();
    for Served { record, pool } in &served {
        let id = pool.id.to_string();
        let is_gone = matches!(standing(registry, record), Ok(Standing::Gone));
        if is_gone && registry.controller(&id).is_none() && !owned.ids.contains(&id) {
            let reason =
                format!("its program is no longer on {}, and nobody controls it", record.device);
            lost.insert(id.clone());
            found.push((
                item("record", &id, reason),
                Box::new(move || Ok(stop(registry, &id).map(drop)?)),
            ));
        }
    }
    for leftover in registry.leftovers()? {
        let kind = if leftover.pins { "pins" } else { "directory" };
        let path = leftover.path.display().to_string();
        let reason = "no record of a pool belongs to it".to_owned();
        let remove = move || {
            let _lock = registry.lock()?;
            Ok(registry.clear(&leftover)?)
        };
        found.push((item(kind, &path, reason), Box::new(remove)));
    }
    let kept = served.iter().filter(|served| !lost.contains(served.pool.id.as_str()));
    let mut wanted: BTreeSet<String> = kept.map(|served| served.pool.namespace()).collect();
    let is_known = owned.namespaces.is_some();
    wanted.extend(owned.namespaces.iter().flatten().cloned());
    for name in namespaces().filter(|name| is_known && !wanted.contains(name)) {
        if is_empty(&name) {
            let reason = "no pool is in it, no device but lo, no process".to_owned();
            let remove = {
                let name = name.clone();
                move || remove_namespace(&name)
            };
            found.push((item("namespace", &name, reason), Box::new(remove)));
        }
    }
    let mut items = Vec::new();
    for (mut item, remove) in found {
        if !dry_run {
            match remove() {
                Ok(()) => item.removed = true,
                Err(error) => item.error = Some(error.to_string()),
            }
        }
        items.push(item);
    }
    Ok(Garbage { api_version: API_VERSION.to_owned(), dry_run, items })
}

fn item(kind: &str, name: &str, reason: String) -> Item {
    Item { kind: kind.to_owned(), name: name.to_owned(), reason, removed: false, error: None }
}

fn namespaces() -> impl Iterator<Item = String> {
    let entries = fs::read_dir("/run/netns").into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name.starts_with(NEUTRON)).collect();
    names.sort();
    names.into_iter()
}

/// Whether nobody uses a namespace. One that cannot be looked at is used.
fn is_empty(name: &str) -> bool {
    let devices = Place::named(name).run(|| {
        let path = "/proc/thread-self/net/dev";
        fs::read_to_string(path).map_err(|source| NodeError::Read { path: path.into(), source })
    });
    let only_lo =
        |text: String| text.lines().skip(2).all(|line| line.trim_start().starts_with("lo:"));
    devices.is_ok_and(only_lo) && has_no_process(name)
}

fn has_no_process(name: &str) -> bool {
    let stands_for = |path: &Path| fs::metadata(path).map(|data| (data.dev(), data.ino()));
    let Ok(wanted) = stands_for(&Path::new("/run/netns").join(name)) else { return false };
    let Ok(entries) = fs::read_dir("/proc") else { return false };
    let processes = entries.flatten().filter(|entry| {
        entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
    });
    processes.map(|entry| entry.path()).all(|process| match stands_for(&process.join("ns/net")) {
        Ok(place) => place != wanted,
        // It has ended; or it is one that this process may not look at.
        Err(_) => !process.exists(),
    })
}

fn remove_namespace(name: &str) -> Result<(), AgentError> {
    let failed = |source| NodeError::Enter { namespace: name.to_owned(), source };
    let removed = NetNs::get(name).and_then(NetNs::remove).map_err(failed);
    Ok(removed?)
}
