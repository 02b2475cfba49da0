use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::{Bridge, Error, Namespace, sysctl};

/// Whether a node exists. Names of bridges, namespaces and BPF pins are the seed's own, so one
/// process has one node at a time and parallel tests take turns.
static TAKEN: Mutex<bool> = Mutex::new(false);
static FREED: Condvar = Condvar::new();

/// The network node: the bridge br-int in the sandbox's root namespace. Clones are the same node;
/// it goes with the last of them and of its [`super::PoolNet`]s.
#[derive(Clone, Debug)]
pub struct LbaasNode {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    bridge: Bridge,
    _turn: Turn,
}

impl LbaasNode {
    /// Makes the node; waits while another thread has one. A thread that already has one waits
    /// for itself, for ever: clone instead.
    ///
    /// # Errors
    /// [`Error::NotSandboxed`] outside a sandbox, [`Error::Netlink`] when the kernel refuses.
    pub fn new() -> Result<Self, Error> {
        let turn = Turn::take();
        let root = Namespace::root()?;
        for table in ["iptables", "ip6tables", "arptables"] {
            let key = format!("net.bridge.bridge-nf-call-{table}");
            sysctl::set_if_present(&root, &key, "0")?;
        }
        let bridge = Bridge::create(&root, "br-int")?;
        Ok(Self { inner: Arc::new(Inner { bridge, _turn: turn }) })
    }

    /// The integration bridge.
    #[must_use]
    pub fn bridge(&self) -> &Bridge {
        &self.inner.bridge
    }
}

#[derive(Debug)]
struct Turn;

impl Turn {
    fn take() -> Self {
        let guard = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        let free = FREED.wait_while(guard, |taken| *taken);
        *free.unwrap_or_else(PoisonError::into_inner) = true;
        Self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) = false;
        FREED.notify_one();
    }
}
