//! A pool that this process serves.

use std::path::PathBuf;

use lb_common::state::{LAYOUT_VERSION, NEXT_HOPS};

use super::beside::Beside;
use super::candidate::Candidate;
use super::door::{AttachChoice, Door, Front, reads};
use super::fill::Fill;
use super::home::{Home, sweep_zone};
use super::listen::expect_listener;
use super::outer::Outside;
use super::pressure::Pressure;
use super::programs::{Programs, open};
use super::reach::warn_unreachable;
use super::standing::{Standing, standing, take_down};
use super::update::{listener, undo, update};
use super::{ControlError, Rounds, difference, plan::plan, ramp};
use crate::config::{PoolSpec, yaml};
use crate::datapath::{
    Attach, Datapath, Hook, HookChoice, Maps, Options, PortUses, Post, detach_early, install,
};
use crate::node::{Peer, Place, Site, nat_ports};
use crate::registry::{Lock, Record, Registry, Served, Stamp};

/// How pools are served.
#[derive(Clone, Debug, Default)]
pub struct ServeOptions {
    /// By which hooks a device is served.
    pub attach: AttachChoice,
    /// Which hook of TC to attach to.
    pub hook: HookChoice,
    /// Limits of the maps of a device that has its own.
    pub datapath: Options,
    /// Whether devices share programs and maps, but for those with pools that say how large theirs are to be.
    pub share: bool,
    /// What they share.
    pub home: Home,
    /// How often neighbours are told of the pool's addresses when it starts.
    pub announce: Rounds,
}

/// A pool in service, with the right to expire its connections.
pub struct Serving {
    id: String,
    record: Record,
    /// The pool as it was served before this process.
    before: Option<PoolSpec>,
    programs: Programs,
    hook: Hook,
    place: Place,
    /// Who has to go on reading what the XDP program sends.
    reader: Option<Peer>,
    fill: Fill,
    pressure: Pressure,
    /// A record in which nobody starts slowly.
    settled: Option<Stamp>,
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
        let mut record = Record {
            layout: LAYOUT_VERSION,
            index: before.as_ref().map_or(Record::NOT_YET, |served| served.record.index),
            since: before.as_ref().map_or(0, |served| served.record.since),
            pool: yaml::print(std::slice::from_ref(pool))?,
            namespace: place.name().to_owned(),
            netns,
            device: device.name.clone(),
            ifindex: device.index,
            hook: None,
            xdp: false,
            outer: None,
            shared: false,
            zone: 0,
            ports: place.run(|| nat_ports(place.describe()))?,
            past: before.as_ref().map(|s| s.record.past).unwrap_or_default(),
            members: before.as_ref().map(|s| s.record.members.clone()).unwrap_or_default(),
        };
        warn_unreachable(&place, &record, &pool.id, &pool.members);
        let vip = listener(pool)?;
        let earlier = before.as_ref().map(|served| &served.record);
        let beside = Beside::of(registry, &id, &mut record, earlier)?;
        // One that may be served either way is served as those that are there.
        let joins =
            options.attach == AttachChoice::Auto && before.is_none() && beside.is_attached();
        let choice = match (&record.outer, record.xdp) {
            _ if !joins => options.attach,
            (Some(_), _) => AttachChoice::Host,
            (None, true) => AttachChoice::Xdp,
            (None, false) => AttachChoice::Tc,
        };
        let mut door = Door::choose((choice, joins), &place, &device, vip.address)?;
        if record.shared {
            door = door.shared(&device)?;
        } else if !beside.is_attached() {
            record.shared =
                options.share && door.front != Front::Xdp && pool.max_connections.is_none();
        }
        // From here on there is something to undo.
        beside.make_room(registry, &record)?;
        registry.put(&id, &record)?;

        let (pins, links) = (registry.pins(&record), registry.links(&record));
        let next_hops = if door.front == Front::Outer { NEXT_HOPS } else { 1 };
        let redirects = door.redirects;
        let wanted = Options { redirects, next_hops, ..room(pool, &options.datapath) };
        let (mut programs, mut maps) = if record.shared {
            options.home.load(&pins)?;
            (Programs::Shared(options.home.clone()), Maps::open(&pins)?)
        } else {
            let mut datapath = Datapath::load(&wanted, Some(&pins))?;
            let maps = datapath.take_maps()?;
            datapath.share(&pins)?;
            (Programs::Own(Box::new(datapath)), maps)
        };
        if let Some(Served { pool: before, .. }) = &before {
            let room = (!record.shared).then_some((maps.flow_capacity(), wanted.max_flows));
            warn_of_changes(before, pool, room);
        } else {
            beside.join(registry, &id, &mut record, &mut maps)?;
        }
        // Who logs connections begins later, and has a line for the first one, too.
        if !pool.logs.is_empty() {
            expect_listener(registry, &record)?;
        }
        let target = plan(registry, pool, vip, &mut record, &maps)?;
        install(&mut maps, record.index, &target)?;
        registry.put(&id, &record)?;

        let before_hook = record.hook;
        let qdisc_ours = before_hook.as_ref().is_some_and(Hook::added_qdisc);
        let post = Post::Ingress;
        let how = Attach { post, choice: options.hook, before: before_hook.as_ref(), qdisc_ours };
        let hook = place.run(|| programs.attach(record.zone, &device, &links, how))?;
        record.hook = Some(hook);
        registry.put(&id, &record)?;
        let (choice, zone) = (options.hook, record.zone);
        let qdisc_ours = hook.added_qdisc();
        let outside =
            Outside { place: &place, device: &device, choice, zone, links: &links, qdisc_ours };
        let door = open(door, &id, &mut programs, &outside, &mut record)?;
        registry.put(&id, &record)?;
        beside.follow(registry, &record)?;
        let reader = door.reader();
        let before = before.map(|served| served.pool);
        let fill = Fill::of(maps.flow_capacity());
        let pressure = Pressure::default();
        Ok(Self {
            id,
            record,
            before,
            programs,
            hook,
            place,
            reader,
            fill,
            pressure,
            settled: None,
            _claim: claim,
        })
    }

    /// Id of the pool.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The namespace it is served in.
    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// The hook the program is attached to.
    pub const fn hook(&self) -> Hook {
        self.hook
    }

    /// What stands before it, as reports have it before the name of the hook.
    pub const fn front(&self) -> &'static str {
        self.record.front()
    }

    /// The device the program was attached to.
    pub fn device(&self) -> &str {
        &self.record.device
    }

    /// Number of the namespace and index of the device that it is served at.
    pub const fn at(&self) -> (u64, u32) {
        (self.record.netns, self.record.ifindex)
    }

    /// What has become of the attachment. The registry's lock must not be held.
    ///
    /// # Errors
    /// When the device cannot be looked at.
    pub fn standing(&self, registry: &Registry) -> Result<Standing, ControlError> {
        let look = || standing(registry, &self.current(registry)?);
        match look()? {
            // A pool that comes to the same device attaches anew for all, and its record says so first.
            Standing::Gone => match registry.lock() {
                Ok(_lock) => look(),
                Err(_) => Ok(Standing::Gone),
            },
            standing @ (Standing::Attached | Standing::Elsewhere) => Ok(standing),
        }
    }

    /// What the device shares with others, its zone there, and where the device is; none if it shares nothing.
    pub(super) fn shared(&self) -> Option<(&Home, u16, &Place, u32)> {
        match &self.programs {
            Programs::Own(_) => None,
            Programs::Shared(home) => {
                Some((home, self.record.zone, &self.place, self.record.ifindex))
            }
        }
    }

    /// Removes the connections that have expired, of all pools at the device, and passes on what the programs log. Returns
    /// how many conntrack entries there were.
    ///
    /// # Errors
    /// When the kernel cannot run the reaper.
    pub fn reap(&mut self) -> Result<u32, ControlError> {
        let Record { zone, ifindex, .. } = self.record;
        let entries = self.programs.with(|datapath| {
            datapath.flush_log();
            sweep_zone(datapath, zone, &self.place, ifindex)
        })?;
        // How full shared maps are is watched for all that share them.
        if self.shared().is_none() {
            self.fill.watch(&self.id, entries);
        }
        Ok(entries)
    }

    /// Looks at how many NAT ports are left.
    ///
    /// # Errors
    /// When the pool's record or maps cannot be read.
    pub(super) fn watch_ports(
        &mut self,
        registry: &Registry,
        maps: &Maps,
        uses: &PortUses,
    ) -> Result<(), ControlError> {
        if uses.is_idle(self.record.zone) {
            return Ok(());
        }
        self.pressure.watch(registry, &self.id, maps, uses)
    }

    /// Where its maps are pinned.
    pub(super) fn pins(&self, registry: &Registry) -> PathBuf {
        registry.pins(&self.record)
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
        detach_early(&registry.links(&self.record))?;
        self.reader = None;
        self.record.xdp = false;
        if let Some(mut record) = registry.record(&self.id)? {
            record.xdp = false;
            registry.put(&self.id, &record)?;
        }
        Ok(())
    }

    /// Gives members in slow start what their share has become.
    ///
    /// # Errors
    /// When the pool's record or maps cannot be read or written.
    pub fn ramp(&mut self, registry: &Registry) -> Result<(), ControlError> {
        // `qlb member` may have changed the pool, and may be about to.
        let stamp = registry.stamp(&self.id);
        if stamp.is_some() && stamp == self.settled {
            return Ok(());
        }
        let Some(served) = registry.get(&self.id)? else { return Ok(()) };
        if served.record.members.iter().all(|member| member.up_since.is_none()) {
            self.settled = stamp;
        }
        if !ramp::is_due(&served) {
            return Ok(());
        }
        let _lock = registry.lock()?;
        match registry.get(&self.id)? {
            Some(Served { mut record, pool }) => update(registry, &pool, &mut record),
            None => Ok(()),
        }
    }

    /// The record as it is: a pool that comes to the same device attaches anew for all.
    fn current(&self, registry: &Registry) -> Result<Record, ControlError> {
        Ok(registry.get(&self.id)?.map_or_else(|| self.record.clone(), |served| served.record))
    }

    /// Ends the service and removes all of it. The registry's lock must be held.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn end(mut self, registry: &Registry) -> Result<(), ControlError> {
        let record = self.current(registry)?;
        let stays = !registry.beside(&self.id, &record)?.is_empty();
        let ended = take_down(registry, &self.id, &record).and_then(|()| {
            // Others keep the programs; the connections of this pool end now.
            if stays { self.reap().map(drop) } else { Ok(()) }
        });
        if let Err(error) = ended {
            tracing::warn!(pool = %self.id, error = error.chain(), "cannot detach");
        }
        registry.remove(&self.id)?;
        if let Programs::Shared(home) = &self.programs {
            home.tidy();
        }
        Ok(())
    }

    /// Makes everything as it was before this process.
    pub(super) fn undo(self, registry: &Registry) {
        undo(registry, &self.id, self.before.as_ref());
    }
}

/// What the pool says about its size, or else the controller.
fn room(pool: &PoolSpec, otherwise: &Options) -> Options {
    pool.max_connections.map_or(*otherwise, |most| Options::for_connections(most.get()))
}

/// A file is the whole truth about a pool; what it takes back should be seen. `room` is what its conntrack has and what it
/// should have, if that is its own.
fn warn_of_changes(before: &PoolSpec, pool: &PoolSpec, room: Option<(u32, u32)>) {
    if let Some(changes) = difference::members(before, pool) {
        tracing::warn!(pool = %pool.id, "the file differs from what was served: {changes}");
    }
    if before.mode != pool.mode {
        tracing::warn!(
            pool = %pool.id,
            "mode {} to {}: connections keep the one they were opened with",
            before.mode, pool.mode
        );
    }
    if let Some((capacity, wanted)) = room
        && capacity != wanted
    {
        tracing::warn!(
            pool = %pool.id,
            "conntrack keeps its {capacity} entries while the pool is served; \
             max_connections takes effect after an end"
        );
    }
}
