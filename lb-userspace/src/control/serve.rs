//! A pool that this process serves.

use std::fs;
use std::path::Path;

use lb_common::state::LAYOUT_VERSION;

use super::candidate::Candidate;
use super::door::{AttachChoice, Door, reads};
use super::fill::Fill;
use super::pressure::Pressure;
use super::reach::warn_unreachable;
use super::standing::{Standing, standing, take_down};
use super::update::{listener, undo, update};
use super::{ControlError, difference, plan::plan, ramp};
use crate::config::{PoolSpec, yaml};
use crate::datapath::{
    Attach, Datapath, Hook, HookChoice, Inlet, Options, POOL, detach_early, install,
};
use crate::node::{Device, Peer, Place, Site, device_mac, nat_ports};
use crate::registry::{Lock, Record, Registry, RegistryError, Served};

/// How pools are served.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServeOptions {
    /// By which hooks a device is served.
    pub attach: AttachChoice,
    /// Which hook of TC to attach to.
    pub hook: HookChoice,
    /// Limits of the maps.
    pub datapath: Options,
}

/// A pool in service, with the right to expire its connections.
pub struct Serving {
    id: String,
    record: Record,
    /// The pool as it was served before this process.
    before: Option<PoolSpec>,
    datapath: Datapath,
    hook: Hook,
    place: Place,
    /// Who has to go on reading what the XDP program sends.
    reader: Option<Peer>,
    fill: Fill,
    pressure: Pressure,
    _claim: Lock,
}

impl Serving {
    /// Serves the candidate, taking over from whoever served it before without touching a
    /// connection. The registry's lock must be held.
    ///
    /// # Errors
    /// When anything fails; then everything is as before.
    pub(super) fn start(
        registry: &Registry,
        candidate: Candidate<'_>,
        options: &ServeOptions,
    ) -> Result<Self, ControlError> {
        let id = candidate.pool.id.to_string();
        let Candidate { pool, site, earlier, claim } = candidate;
        let before = earlier.settle(registry)?;
        let pool_before = before.as_ref().map(|served| served.pool.clone());
        let serving = Self::assemble(registry, pool, site, before, options, claim);
        if serving.is_err() {
            undo(registry, &id, pool_before.as_ref());
        }
        serving
    }

    fn assemble(
        registry: &Registry,
        pool: &PoolSpec,
        site: Site,
        before: Option<Served>,
        options: &ServeOptions,
        claim: Lock,
    ) -> Result<Self, ControlError> {
        let Site { place, netns, device } = site;
        let id = pool.id.to_string();
        let pins = registry.pins(&id);
        let made = |source| RegistryError::Io { what: "make", path: pins.clone(), source };
        fs::create_dir_all(&pins).map_err(made)?;
        let hook_before = before.as_ref().and_then(|served| served.record.hook);
        let mut record = Record {
            layout: LAYOUT_VERSION,
            pool: yaml::print(std::slice::from_ref(pool))?,
            namespace: place.name().to_owned(),
            netns,
            device: device.name.clone(),
            ifindex: device.index,
            hook: hook_before,
            xdp: before.as_ref().is_some_and(|served| served.record.xdp),
            ports: place.run(|| nat_ports(place.describe()))?,
            members: before.as_ref().map(|s| s.record.members.clone()).unwrap_or_default(),
        };
        warn_unreachable(&place, &record, &pool.id, &pool.members);
        let vip = listener(pool)?;
        let door = Door::choose(options.attach, &place, &device, vip.address)?;

        let wanted = Options { redirects: door.redirects, ..room(pool, &options.datapath) };
        let mut datapath = Datapath::load(&wanted, Some(&pins))?;
        let mut maps = datapath.take_maps()?;
        if let Some(Served { pool: before, .. }) = &before {
            warn_of_changes(before, pool, maps.flow_capacity(), wanted.max_flows);
        }
        let target = plan(pool, vip, &mut record, &maps)?;
        install(&mut maps, POOL, &target)?;
        datapath.share(&pins)?;
        registry.put(&id, &record)?;

        // This pool's own record, with the hook before, is among them.
        let qdisc_ours = registry.list()?.iter().any(|Served { record: other, .. }| {
            (other.netns, other.ifindex) == (netns, device.index)
                && other.hook.as_ref().is_some_and(Hook::added_qdisc)
        });
        let how = Attach { choice: options.hook, before: hook_before.as_ref(), qdisc_ours };
        let hook =
            place.run(|| datapath.attach(&device, &pins, how).map_err(ControlError::from))?;
        record.hook = Some(hook);
        registry.put(&id, &record)?;
        let door = open(door, &id, &mut datapath, &place, &device, &pins, record.xdp)?;
        record.xdp = door.early;
        registry.put(&id, &record)?;
        let reader = door.reader();
        let before = before.map(|served| served.pool);
        let fill = Fill::of(maps.flow_capacity());
        let pressure = Pressure::default();
        Ok(Self {
            id,
            record,
            before,
            datapath,
            hook,
            place,
            reader,
            fill,
            pressure,
            _claim: claim,
        })
    }

    /// Id of the pool.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The hook the program is attached to.
    pub const fn hook(&self) -> Hook {
        self.hook
    }

    /// Whether an XDP program stands in front of it.
    pub const fn has_xdp(&self) -> bool {
        self.record.xdp
    }

    /// The device the program was attached to.
    pub fn device(&self) -> &str {
        &self.record.device
    }

    /// What has become of the attachment.
    ///
    /// # Errors
    /// When the device cannot be looked at.
    pub fn standing(&self, registry: &Registry) -> Result<Standing, ControlError> {
        standing(registry, &self.id, &self.record)
    }

    /// Removes the connections that have expired, and passes on what the programs log.
    ///
    /// # Errors
    /// When the kernel cannot run the reaper.
    pub fn reap(&mut self) -> Result<(), ControlError> {
        self.datapath.flush_log();
        let (ifindex, datapath) = (self.record.ifindex, &mut self.datapath);
        let entries = self.place.run(|| {
            // A device that is gone has nobody to tell.
            let Some(mac) = device_mac(ifindex) else { return Ok(0) };
            Ok::<_, ControlError>(datapath.reaper()?.sweep(Inlet { ifindex, mac })?)
        })?;
        self.fill.watch(&self.id, entries);
        Ok(())
    }

    /// Looks at how many NAT ports are left.
    ///
    /// # Errors
    /// When the pool's record or maps cannot be read.
    pub fn watch_ports(&mut self, registry: &Registry) -> Result<(), ControlError> {
        self.pressure.watch(registry, &self.id)
    }

    /// Takes the XDP program away where nobody reads any more what it sends.
    ///
    /// # Errors
    /// When that cannot be found out or done.
    pub fn guard(&mut self, registry: &Registry) -> Result<(), ControlError> {
        let Some(reader) = &self.reader else { return Ok(()) };
        if reads(reader)? {
            return Ok(());
        }
        tracing::warn!(
            pool = %self.id,
            "{} does not read what XDP sends any more (`gro off`?): the pool is left to TC until the next `qlb run`",
            reader.device.name
        );
        let _lock = registry.lock()?;
        detach_early(&registry.pins(&self.id))?;
        self.reader = None;
        self.record.xdp = false;
        if let Some(Served { mut record, .. }) = registry.get(&self.id)? {
            record.xdp = false;
            registry.put(&self.id, &record)?;
        }
        Ok(())
    }

    /// Gives members in slow start what their share has become.
    ///
    /// # Errors
    /// When the pool's record or maps cannot be read or written.
    pub fn ramp(&self, registry: &Registry) -> Result<(), ControlError> {
        // `qlb member` may have changed the pool, and may be about to.
        if !registry.get(&self.id)?.is_some_and(|served| ramp::is_due(&served)) {
            return Ok(());
        }
        let _lock = registry.lock()?;
        match registry.get(&self.id)? {
            Some(Served { mut record, pool }) => update(registry, &pool, &mut record),
            None => Ok(()),
        }
    }

    /// Ends the service and removes all of it. The registry's lock must be held.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn end(self, registry: &Registry) -> Result<(), ControlError> {
        if let Err(error) = take_down(registry, &self.id, &self.record) {
            tracing::warn!(pool = %self.id, error = error.chain(), "cannot detach");
        }
        Ok(registry.remove(&self.id)?)
    }

    /// Makes everything as it was before this process.
    pub(super) fn undo(self, registry: &Registry) {
        undo(registry, &self.id, self.before.as_ref());
    }
}

/// Puts the XDP program in front of the one that is attached, or takes it away, and has the way of packets proved.
/// `before` says whether one was there. Returns how the device is served then.
fn open(
    door: Door,
    id: &str,
    datapath: &mut Datapath,
    place: &Place,
    device: &Device,
    pins: &Path,
    before: bool,
) -> Result<Door, ControlError> {
    let mut door = door;
    let mut proof = None;
    if door.early {
        let proved = place
            .run(|| datapath.attach_early(device, pins).map_err(ControlError::from))
            .and_then(|()| door.prove(datapath, place, device));
        match proved {
            Ok(proved) => proof = Some(proved),
            Err(error) if door.optional => door = door.without(&error),
            Err(error) => {
                if !before {
                    detach_early(pins)?;
                }
                return Err(error);
            }
        }
    }
    let proof = match proof {
        Some(proof) => proof,
        None => {
            detach_early(pins)?;
            door.prove(datapath, place, device)?
        }
    };
    let device = device.name.as_str();
    tracing::info!(pool = id, "{device} is served by {}: {}; {proof}", door.name(), door.why());
    Ok(door)
}

/// What the pool says about its size, or else the controller.
fn room(pool: &PoolSpec, otherwise: &Options) -> Options {
    pool.max_connections.map_or(*otherwise, |most| Options::for_connections(most.get()))
}

/// A file is the whole truth about a pool; what it takes back should be seen.
fn warn_of_changes(before: &PoolSpec, pool: &PoolSpec, capacity: u32, wanted: u32) {
    if let Some(changes) = difference::members(before, pool) {
        tracing::warn!(pool = %pool.id, "the file differs from what was served: {changes}");
    }
    if capacity != wanted {
        tracing::warn!(
            pool = %pool.id,
            "conntrack keeps its {capacity} entries while the pool is served; \
             max_connections takes effect after an end"
        );
    }
}
