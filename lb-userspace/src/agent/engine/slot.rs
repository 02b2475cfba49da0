//! One pool: what is desired of it, and what is served.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::agent::view::{PoolView, State};
use crate::config::PoolSpec;
use crate::control::{ControlError, ServeOptions, Serving, Standing, change_pool, start};
use crate::node::{NodeError, locate};
use crate::registry::Registry;

/// How long after a failure it is tried again; twice as long after each further one, up to the second.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// A pool of the agent.
pub(super) struct Slot {
    pub(super) spec: PoolSpec,
    /// None if no file that can be read declares it.
    pub(super) file: Option<PathBuf>,
    /// What is wrong with the declaration; what was declared before stays.
    pub(super) stale: Option<String>,
    served: Option<Service>,
    trouble: Option<Trouble>,
}

/// A pool in service.
struct Service {
    serving: Serving,
    /// The declaration that it follows.
    follows: PoolSpec,
}

/// Why a pool is not served as declared.
#[derive(Clone, Debug)]
struct Trouble {
    state: State,
    text: String,
    next: Instant,
    delay: Duration,
}

impl Slot {
    pub(super) fn new(spec: PoolSpec, file: Option<PathBuf>) -> Self {
        Self { spec, file, stale: None, served: None, trouble: None }
    }

    pub(super) fn serving(&mut self) -> Option<&mut Serving> {
        self.served.as_mut().map(|service| &mut service.serving)
    }

    /// The service, if there is one.
    pub(super) fn service(&self) -> Option<&Serving> {
        self.served.as_ref().map(|service| &service.serving)
    }

    /// The declaration that is served.
    pub(super) fn followed(&self) -> Option<&PoolSpec> {
        self.served.as_ref().map(|service| &service.follows)
    }

    /// Whether it is served just as declared.
    pub(super) fn is_settled(&self) -> bool {
        self.trouble.is_none() && self.served.as_ref().is_some_and(|it| it.follows == self.spec)
    }

    /// Gives the pool up without touching its datapath.
    pub(super) fn leave(&mut self) {
        self.served = None;
    }

    /// Ends the service, if there is one.
    pub(super) fn end(self, registry: &Registry) -> Result<(), ControlError> {
        let Some(Service { serving, .. }) = self.served else { return Ok(()) };
        let _lock = registry.lock()?;
        serving.end(registry)
    }

    /// Waits no longer: something has changed on the node or in the declaration.
    pub(super) fn hurry(&mut self, now: Instant) {
        if let Some(trouble) = &mut self.trouble {
            trouble.next = now;
        }
    }

    /// Ends a service whose program is gone, so that it can begin anew where the VIP is now.
    pub(super) fn look(&mut self, registry: &Registry, now: Instant) {
        let Some(Service { serving, .. }) = &self.served else { return };
        match serving.standing(registry) {
            Ok(Standing::Attached | Standing::Elsewhere) => {}
            Err(error) => {
                tracing::warn!(
                    pool = serving.id(),
                    error = error.chain(),
                    "cannot look at the device"
                );
            }
            Ok(Standing::Gone) => {
                tracing::warn!(
                    pool = serving.id(),
                    "the program is no longer on {}: the namespace or the device is gone, or somebody removed it; \
                     the pool is served again as soon as that is possible",
                    serving.device()
                );
                let Some(Service { serving, .. }) = self.served.take() else { return };
                let id = serving.id().to_owned();
                let ended = registry
                    .lock()
                    .map_err(ControlError::from)
                    .and_then(|_lock| serving.end(registry));
                if let Err(error) = ended {
                    tracing::warn!(pool = id, error = error.chain(), "cannot remove all of it");
                }
                self.hurry(now);
            }
        }
    }

    /// Makes what is served what is declared, if it is time to try.
    pub(super) fn converge(&mut self, registry: &Registry, options: &ServeOptions, now: Instant) {
        if self.is_settled() || self.trouble.as_ref().is_some_and(|trouble| now < trouble.next) {
            return;
        }
        match self.bring(registry, options) {
            Ok(()) => {
                if self.trouble.take().is_some() {
                    tracing::info!(pool = %self.spec.id, "is served as declared");
                }
            }
            Err(error) => self.fail(&error, now),
        }
    }

    fn bring(&mut self, registry: &Registry, options: &ServeOptions) -> Result<(), ControlError> {
        match &mut self.served {
            Some(service) if service.follows == self.spec => return Ok(()),
            Some(service) if is_in_place(&service.follows, &self.spec) => {
                change_pool(registry, &self.spec)?;
                tracing::info!(pool = %self.spec.id, "changed");
                service.follows = self.spec.clone();
                return Ok(());
            }
            Some(_) | None => {}
        }
        // What is served is not given up for something that cannot be yet.
        find(&self.spec)?;
        let before = self.served.take().map(|service| service.follows);
        let started = self.start(registry, options, &self.spec.clone());
        if let (Err(_), Some(before)) = (&started, before)
            && let Err(error) = self.start(registry, options, &before)
        {
            tracing::error!(pool = %before.id, error = error.chain(), "cannot go on with what was served");
        }
        started
    }

    fn start(
        &mut self,
        registry: &Registry,
        options: &ServeOptions,
        spec: &PoolSpec,
    ) -> Result<(), ControlError> {
        let serving = start(registry, spec, options)?;
        registry.own(spec.id.as_str())?;
        self.served = Some(Service { serving, follows: spec.clone() });
        Ok(())
    }

    fn fail(&mut self, error: &ControlError, now: Instant) {
        let state = if is_absence(error) { State::Pending } else { State::Error };
        let text = error.chain();
        let before = self.trouble.take();
        let delay = before.as_ref().map_or(FIRST, |before| (before.delay * 2).min(LONGEST));
        // What is absent is looked for often: that costs little.
        let delay = if state == State::Pending { FIRST } else { delay };
        if before.is_none_or(|before| before.text != text) {
            match state {
                State::Pending => tracing::info!(pool = %self.spec.id, "is pending: {text}"),
                State::Served | State::Error => tracing::error!(pool = %self.spec.id, "{text}"),
            }
        }
        self.trouble = Some(Trouble { state, text, next: now + delay, delay });
    }

    pub(super) fn state(&self) -> State {
        let idle = if self.served.is_some() { State::Served } else { State::Pending };
        self.trouble.as_ref().map_or(idle, |trouble| trouble.state)
    }

    /// Why it is not served as declared, or what is wrong with the declaration.
    pub(super) fn reason(&self) -> Option<String> {
        let trouble = self.trouble.as_ref().map(|trouble| trouble.text.clone());
        trouble.or_else(|| self.stale.clone())
    }

    /// Why it is not served at all; none if it is.
    pub(super) fn absence(&self) -> Option<String> {
        match self.served {
            Some(_) => None,
            None => Some(self.reason().unwrap_or_else(|| "it is about to be".to_owned())),
        }
    }

    pub(super) fn view(&self) -> PoolView {
        let spec = &self.spec;
        let serving = self.served.as_ref().map(|service| &service.serving);
        let vip = spec.vip.as_ref();
        let hook = |serving: &Serving| format!("{}{}", serving.front(), serving.hook().name());
        PoolView {
            id: spec.id.to_string(),
            name: spec.name.clone(),
            state: self.state(),
            reason: self.reason(),
            protocol: spec.protocol.to_string(),
            vip: vip.map(|vip| SocketAddr::new(vip.address, vip.port.get()).to_string()),
            lb_method: spec.lb_method.to_string(),
            members: spec.members.len() as u64,
            admin_state_up: spec.admin_state_up,
            namespace: spec.namespace(),
            device: serving.map(|serving| serving.device().to_owned()),
            hook: serving.map(hook),
            file: self.file.as_ref().map(|file| file.display().to_string()),
        }
    }
}

/// Whether a change leaves the VIP where it is, so that only the pool's maps change.
fn is_in_place(before: &PoolSpec, after: &PoolSpec) -> bool {
    let address = |pool: &PoolSpec| pool.vip.as_ref().map(|vip| vip.address);
    before.namespace() == after.namespace()
        && address(before) == address(after)
        && before.protocol.is_udp() == after.protocol.is_udp()
        && before.snat_addresses == after.snat_addresses
}

/// Makes sure that what the pool needs of the node is there.
fn find(pool: &PoolSpec) -> Result<(), NodeError> {
    let Some(vip) = &pool.vip else { return Ok(()) };
    let site = locate(&pool.namespace(), vip.address)?;
    pool.snat_addresses.iter().try_for_each(|source| site.check_source(*source))
}

/// Whether something is missing that may come by itself.
fn is_absence(error: &ControlError) -> bool {
    let mut error = error;
    while let ControlError::Serve { source, .. } = error {
        error = source;
    }
    let ControlError::Node(error) = error else { return false };
    matches!(
        error,
        NodeError::NoNamespace { .. }
            | NodeError::NoDevice { .. }
            | NodeError::NoSource { .. }
            | NodeError::DeviceDown { .. }
            | NodeError::Enter { .. }
    )
}
