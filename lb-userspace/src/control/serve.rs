//! A pool that this process serves.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use lb_common::state::LAYOUT_VERSION;

use super::{ControlError, plan::plan};
use crate::config::model::VipSpec;
use crate::config::{PoolSpec, yaml};
use crate::datapath::{
    Attachment, Datapath, Hook, HookChoice, Maps, Options, install, is_attached,
};
use crate::node::{Device, Place, locate, nat_ports};
use crate::registry::{Lock, Record, Registry, RegistryError, Served};

/// The pool's index in maps that serve one pool.
pub(super) const POOL: u32 = 0;

/// How pools are served.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServeOptions {
    /// Which hook to attach to.
    pub hook: HookChoice,
    /// Limits of the maps.
    pub datapath: Options,
}

/// A pool in service, with the right to expire its connections.
pub struct Serving {
    id: String,
    place: Place,
    pins: PathBuf,
    datapath: Datapath,
    attachment: Attachment,
    adopted: bool,
    _claim: Lock,
}

impl Serving {
    /// Serves `pool`, taking over from whoever served it before without touching a connection.
    /// The registry's lock must be held.
    ///
    /// # Errors
    /// When anything fails; then nothing of it is left.
    pub fn start(
        registry: &Registry,
        pool: &PoolSpec,
        options: &ServeOptions,
    ) -> Result<Self, ControlError> {
        let (vip, address) = listener(pool)?;
        registry.check_vip(pool)?;
        let (place, device) = locate(&pool.namespace(), address)?;
        let claim = registry.claim(pool.id.as_str())?;
        let before = adoptable(registry, pool, &place, &device)?;
        let adopted = before.is_some();
        let serving = Self::assemble(registry, pool, vip, place, device, before, options, claim);
        if serving.is_err() && !adopted {
            // What was begun must not stay; that it could not be removed is the lesser news.
            if let Err(error) = registry.remove(pool.id.as_str()) {
                tracing::warn!(pool = %pool.id, %error, "cannot clean up");
            }
        }
        serving
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one thing, in one place")]
    fn assemble(
        registry: &Registry,
        pool: &PoolSpec,
        vip: &VipSpec,
        place: Place,
        device: Device,
        before: Option<Record>,
        options: &ServeOptions,
        claim: Lock,
    ) -> Result<Self, ControlError> {
        let id = pool.id.to_string();
        let pins = registry.pins(&id);
        let made = |source| RegistryError::Io { what: "make", path: pins.clone(), source };
        fs::create_dir_all(&pins).map_err(made)?;
        let adopted = before.is_some();
        let hook_before = before.as_ref().and_then(|record| record.hook);
        let mut record = Record {
            layout: LAYOUT_VERSION,
            pool: yaml::print(std::slice::from_ref(pool))?,
            namespace: place.name().to_owned(),
            device: device.name.clone(),
            hook: hook_before,
            ports: place.run(|| nat_ports(place.describe()))?,
            members: before.map(|record| record.members).unwrap_or_default(),
        };

        let mut datapath = Datapath::load(&options.datapath, Some(&pins))?;
        let mut maps = datapath.take_maps()?;
        let target = plan(pool, vip, &mut record, &maps)?;
        install(&mut maps, POOL, &target)?;
        registry.put(&id, &record)?;

        let attachment = place.run(|| {
            let hook = hook_before.as_ref();
            datapath.attach(&device.name, options.hook, &pins, hook).map_err(ControlError::from)
        })?;
        record.hook = Some(attachment.hook());
        registry.put(&id, &record)?;
        Ok(Self { id, place, pins, datapath, attachment, adopted, _claim: claim })
    }

    /// Whether the pool was served already.
    pub const fn is_adopted(&self) -> bool {
        self.adopted
    }

    /// Id of the pool.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The hook the program is attached to.
    pub const fn hook(&self) -> Hook {
        self.attachment.hook()
    }

    /// Removes the connections that have expired, and passes on what the programs log.
    ///
    /// # Errors
    /// When the kernel cannot run the reaper.
    pub fn reap(&mut self) -> Result<(), ControlError> {
        self.datapath.flush_log();
        Ok(self.datapath.reaper()?.sweep()?)
    }

    /// Ends the service and removes all of it. The registry's lock must be held.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn end(self, registry: &Registry) -> Result<(), ControlError> {
        let Self { id, place, pins, attachment, .. } = self;
        let detached = place.run(|| attachment.detach(&pins).map_err(ControlError::from));
        // A namespace that is gone took its devices along.
        if let Err(error) = detached {
            tracing::warn!(pool = %id, %error, "cannot detach");
        }
        Ok(registry.remove(&id)?)
    }
}

/// The record of the pool if it is served on `device` already. What is left of a service on a
/// device that is gone is removed: its connections went with the device.
fn adoptable(
    registry: &Registry,
    pool: &PoolSpec,
    place: &Place,
    device: &Device,
) -> Result<Option<Record>, ControlError> {
    let id = pool.id.as_str();
    let Some(Served { record, .. }) = registry.get(id)? else { return Ok(None) };
    let pins = registry.pins(id);
    let attached = match &record.hook {
        Some(hook) => {
            place.run(|| is_attached(&device.name, hook, &pins).map_err(ControlError::from))?
        }
        None => false,
    };
    if attached {
        return Ok(Some(record));
    }
    tracing::warn!(pool = id, "the device it was served on is gone, and its connections with it");
    registry.forget(id)?;
    Ok(None)
}

/// The pool's VIP and its address, which the caller has found servable.
pub(super) fn listener(pool: &PoolSpec) -> Result<(&VipSpec, Ipv4Addr), ControlError> {
    let refused = || ControlError::NotServable { pool: pool.id.to_string(), refusals: Vec::new() };
    let vip = pool.vip.as_ref().ok_or_else(refused)?;
    match vip.address {
        IpAddr::V4(address) => Ok((vip, address)),
        IpAddr::V6(_) => Err(refused()),
    }
}

/// Makes the datapath follow a changed `pool`, and records it.
pub(super) fn update(
    registry: &Registry,
    pool: &PoolSpec,
    record: &mut Record,
) -> Result<(), ControlError> {
    let (vip, _) = listener(pool)?;
    let mut maps = Maps::open(&registry.pins(pool.id.as_str()))?;
    let target = plan(pool, vip, record, &maps)?;
    record.pool = yaml::print(std::slice::from_ref(pool))?;
    install(&mut maps, POOL, &target)?;
    Ok(registry.put(pool.id.as_str(), record)?)
}
