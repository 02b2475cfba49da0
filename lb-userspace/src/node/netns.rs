//! Entering network namespaces.
//!
//! A namespace belongs to a thread, so whatever happens in one happens on a thread of its own,
//! which ends there: nothing can stay behind in the wrong namespace, not even after a panic.

use std::net::Ipv4Addr;
use std::thread;

use netns_rs::NetNs;

use super::{Device, NodeError, find_device};

/// A network namespace to work in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    name: String,
    current: bool,
}

impl Place {
    /// The namespace `name` of /run/netns; an empty name is the current one.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), current: name.is_empty() }
    }

    /// The name for people and records; empty for the current namespace.
    pub fn name(&self) -> &str {
        if self.current { "" } else { &self.name }
    }

    /// The name for messages.
    pub fn describe(&self) -> &str {
        if self.current { "(current)" } else { &self.name }
    }

    /// Runs `work` in the namespace.
    ///
    /// # Errors
    /// When the namespace cannot be entered, and as `work`.
    pub fn run<T: Send, E: From<NodeError> + Send>(
        &self,
        work: impl FnOnce() -> Result<T, E> + Send,
    ) -> Result<T, E> {
        let enter = || {
            let failed = |source| NodeError::Enter { namespace: self.name.clone(), source };
            NetNs::get(&self.name).and_then(|namespace| namespace.enter()).map_err(failed)
        };
        thread::scope(|scope| {
            let thread = thread::Builder::new().name("in-namespace".to_owned());
            let body = || {
                if !self.current {
                    enter()?;
                }
                work()
            };
            let started = thread.spawn_scoped(scope, body);
            let handle = started.map_err(|source| NodeError::Start { what: "thread", source })?;
            handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

/// Finds the namespace and device of a VIP: the namespace called `namespace`, else the
/// current one if a device there has the VIP.
///
/// # Errors
/// When neither has it, or the device is down.
pub fn locate(namespace: &str, vip: Ipv4Addr) -> Result<(Place, Device), NodeError> {
    let named = Place::named(namespace);
    let exists = std::path::Path::new("/run/netns").join(namespace).exists();
    let place = if exists { named } else { Place { name: namespace.to_owned(), current: true } };
    let device = place.run(|| find_device(vip))?.ok_or_else(|| {
        let namespace = namespace.to_owned();
        if exists {
            NodeError::NoDevice { namespace, vip }
        } else {
            NodeError::NoNamespace { namespace, vip }
        }
    })?;
    if device.up {
        Ok((place, device))
    } else {
        let namespace = place.describe().to_owned();
        Err(NodeError::DeviceDown { namespace, device: device.name })
    }
}
