//! The tables: BPF maps. Nothing else names a map.

mod hops;
mod walk;
mod zone;

use aya_ebpf::{
    bindings::{BPF_EXIST, BPF_F_NO_PREALLOC, BPF_NOEXIST},
    btf_maps::{
        Array, HashMap, LpmTrie, LruHashMap, PerCpuArray, ProgramArray, RingBuf, lpm_trie::Key,
    },
    helpers::{bpf_ktime_get_coarse_ns, bpf_ktime_get_ns},
    macros::btf_map,
    programs::TcContext,
};
use lb_common::{
    atomic::{Word32, Word64},
    counter::{self, COUNTERS as COUNTER_COUNT, Counter},
    forward::Desk,
    state::{
        AllowedNet, Budget, Continuation, Cursor, Drain, EVENT_RING, Event, Flow, FlowKey,
        FragmentKey, Fragmented, HALF_OPEN, HalfOpen, HopKey, ID_PLACES, Identity, LAYOUT_VERSION,
        Load, MAX_FRAGMENTED, MAX_POOLS, MAX_STICKY, MEMBER_INDEXES, MemberStats, NextHop, Node,
        PROGRAM_PLACES, PartKey, Pool, PortBlock, PortKey, Slot, Sticky, StickyKey, Vip, VipKey,
        VipLoad, counter_index,
    },
    tables::{InsertError, Step, Tables},
    verdict::Direction,
};
use zerocopy::FromZeros as _;

use crate::apart::load_changed;

pub(crate) use walk::{Visit, for_each_flow};
pub(crate) use zone::{control, is_zoned, note_due};

/// Limits that the loader may change.
const DEFAULT_ENTRIES: usize = 131_072;
const DEFAULT_MEMBERS: usize = MEMBER_INDEXES as usize;
/// Two sets of the largest pool, because the new one is complete before the old one goes.
const DEFAULT_SLOTS: usize = 16_384;
const DEFAULT_TICKS: usize = 262_144;
const DEFAULT_NODES: usize = 32_768;
const DEFAULT_NETWORKS: usize = 65_536;
const GROWING: usize = BPF_F_NO_PREALLOC as usize;

/// Version of the map layout, for the loader to compare.
#[unsafe(no_mangle)]
static LAYOUT: u32 = LAYOUT_VERSION;

/// Places for half-open connections, a power of two, less one; set at load.
#[unsafe(no_mangle)]
static HALF_OPEN_MASK: u32 = HALF_OPEN - 1;

#[btf_map]
static VIPS: HashMap<VipKey, Vip, { MAX_POOLS as usize }, GROWING> = HashMap::new();
#[btf_map]
static POOLS: HashMap<u32, Pool, { MAX_POOLS as usize }, GROWING> = HashMap::new();
#[btf_map]
static SLOTS: HashMap<PartKey, Slot, DEFAULT_SLOTS, GROWING> = HashMap::new();
#[btf_map]
static TICKS: HashMap<PartKey, u32, DEFAULT_TICKS, GROWING> = HashMap::new();
#[btf_map]
static SEATS: HashMap<PartKey, u32, DEFAULT_SLOTS, GROWING> = HashMap::new();
#[btf_map]
static NODES: HashMap<PartKey, Node, DEFAULT_NODES, GROWING> = HashMap::new();
#[btf_map]
static CURSORS: Array<Cursor, { MAX_POOLS as usize }> = Array::new();
#[btf_map]
static BUDGETS: Array<Budget, { MAX_POOLS as usize }> = Array::new();
#[btf_map]
static LOADS: Array<Load, DEFAULT_MEMBERS> = Array::new();
#[btf_map]
static DRAINS: Array<Drain, DEFAULT_MEMBERS> = Array::new();
#[btf_map]
static VIP_LOADS: Array<VipLoad, { MAX_POOLS as usize }> = Array::new();
#[btf_map]
static ALLOWED: LpmTrie<AllowedNet, u32, DEFAULT_NETWORKS> = LpmTrie::new();
#[btf_map]
static MEMBERS: HashMap<u32, Identity, DEFAULT_MEMBERS, GROWING> = HashMap::new();
#[btf_map]
static STICKY: LruHashMap<StickyKey, Sticky, { MAX_STICKY as usize }> = LruHashMap::new();
#[btf_map]
static FLOWS: HashMap<FlowKey, Flow, DEFAULT_ENTRIES, GROWING> = HashMap::new();
#[btf_map]
static PORTS: HashMap<PortKey, PortBlock, { DEFAULT_ENTRIES / 2 }, GROWING> = HashMap::new();
/// Programs that go on where another one leaves off; filled by the loader.
#[btf_map]
static PROGRAMS: ProgramArray<{ PROGRAM_PLACES as usize }> = ProgramArray::new();
/// Bytes of a desk.
const DESK: usize = 896;
/// What does not fit onto the stack.
#[btf_map]
static DESKS: PerCpuArray<[u64; DESK / 8], 1> = PerCpuArray::new();
/// Where an entry is made before it is added.
#[btf_map]
static DRAFT: PerCpuArray<Flow, 1> = PerCpuArray::new();
#[btf_map]
static HALF_OPENS: Array<HalfOpen, { HALF_OPEN as usize }> = Array::new();
#[btf_map]
static FRAGMENTED: LruHashMap<FragmentKey, Fragmented, { MAX_FRAGMENTED as usize }> =
    LruHashMap::new();
#[btf_map]
static LAST_IDS: Array<Word32, { ID_PLACES as usize }> = Array::new();
#[btf_map]
static COUNTERS: PerCpuArray<u64, { COUNTER_COUNT as usize }> = PerCpuArray::new();
#[btf_map]
static MEMBER_STATS: PerCpuArray<MemberStats, DEFAULT_MEMBERS> = PerCpuArray::new();
#[btf_map]
static EVENTS: RingBuf<Event, { EVENT_RING as usize }> = RingBuf::new();
/// Until when somebody listens to [`EVENTS`], in nanoseconds of monotonic time.
#[btf_map]
static LISTENING: Array<Word64, 1> = Array::new();

/// A [`PortBlock`] with all its ports free: too large for the stack.
static NO_PORTS: [u64; size_of::<PortBlock>() / 8] = [0; _];

/// The maps of this object, for what comes from a zone.
#[derive(Clone, Copy)]
pub(crate) struct KernelTables {
    zone: u16,
}

/// Goes on with another program; returns only if there is none.
#[inline(always)]
pub(crate) fn continue_with(ctx: &TcContext, next: Continuation) {
    // SAFETY: nothing here wants to be dropped.
    unsafe { PROGRAMS.tail_call(ctx, next as u32) };
}

impl Tables for KernelTables {
    type Ref<T: 'static> = &'static T;

    #[inline(always)]
    fn zone(&self) -> u16 {
        self.zone
    }

    #[inline(always)]
    fn now(&self) -> u64 {
        // SAFETY: takes nothing, touches nothing.
        unsafe { bpf_ktime_get_coarse_ns() }
    }

    #[inline(always)]
    fn exact_now(&self) -> u64 {
        // SAFETY: takes nothing, touches nothing.
        unsafe { bpf_ktime_get_ns() }
    }

    #[inline(always)]
    fn vip(&self, key: &VipKey) -> Option<&'static Vip> {
        // SAFETY: written by user space only, and replaced rather than changed.
        unsafe { VIPS.get(key) }
    }

    #[inline(always)]
    fn pool(&self, pool: u32) -> Option<&'static Pool> {
        // SAFETY: written by user space only, and replaced rather than changed.
        unsafe { POOLS.get(pool) }
    }

    #[inline(always)]
    fn cursor(&self, pool: u32) -> Option<&'static Cursor> {
        CURSORS.get(pool)
    }

    #[inline(always)]
    fn slot(&self, key: &PartKey) -> Option<&'static Slot> {
        // SAFETY: written by user space only, and replaced rather than changed.
        unsafe { SLOTS.get(key) }
    }

    #[inline(always)]
    fn tick(&self, key: &PartKey) -> Option<u32> {
        // SAFETY: written by user space only, and replaced rather than changed.
        unsafe { TICKS.get(key) }.copied()
    }

    #[inline(always)]
    fn seat(&self, key: &PartKey) -> Option<u32> {
        // SAFETY: written by user space only, and replaced rather than changed.
        unsafe { SEATS.get(key) }.copied()
    }

    #[inline(always)]
    fn node(&self, key: &PartKey) -> Option<&'static Node> {
        // SAFETY: only the atomic word changes. A removed entry may be reused for a node of another
        // set while we look; that set is then refreshed by whoever changes it.
        unsafe { NODES.get(key) }
    }

    #[inline(always)]
    fn budget(&self, pool: u32) -> Option<&'static Budget> {
        BUDGETS.get(pool)
    }

    #[inline(always)]
    fn load(&self, member: u32) -> Option<&'static Load> {
        LOADS.get(member)
    }

    #[inline(always)]
    fn drain(&self, member: u32) -> Option<&'static Drain> {
        DRAINS.get(member)
    }

    #[inline(always)]
    fn vip_load(&self, pool: u32) -> Option<&'static VipLoad> {
        VIP_LOADS.get(pool)
    }

    #[inline(always)]
    fn allows(&self, address: &AllowedNet) -> bool {
        ALLOWED.get(&Key::new(AllowedNet::BITS, *address)).is_some()
    }

    #[inline(always)]
    fn identity(&self, member: u32) -> Option<&'static Identity> {
        // SAFETY: written by user space only, and replaced rather than changed.
        unsafe { MEMBERS.get(member) }
    }

    #[inline(always)]
    fn sticky(&self, key: &StickyKey) -> Option<&'static Sticky> {
        // SAFETY: after insertion only an atomic field changes. An entry evicted while we look may
        // be another client's; then that one is remembered a little longer.
        unsafe { STICKY.get(key) }
    }

    #[inline(always)]
    fn stick(&self, key: &StickyKey, sticky: Sticky) {
        // A client that cannot be remembered is scheduled like a new one the next time.
        let _ = STICKY.insert(key, &sticky, 0);
    }

    #[inline(always)]
    fn flow(&self, key: &FlowKey) -> Option<&'static Flow> {
        // SAFETY: after insertion only atomic fields change. A removed entry may be reused for
        // another connection while we look; then that one's statistics gain a packet.
        unsafe { FLOWS.get(key) }
    }

    #[inline(always)]
    fn put_flow(
        &self,
        key: &FlowKey,
        replace: bool,
        fill: impl FnOnce(&mut Flow),
    ) -> Result<(), InsertError> {
        /// `EEXIST` of errno-base.h.
        const EEXIST: i32 = -17;
        let Some(draft) = DRAFT.get_ptr_mut(0) else { return Err(InsertError::Full) };
        // SAFETY: this CPU's own, and programs of one CPU do not nest here.
        let draft = unsafe { &mut *draft };
        fill(draft);
        let flags = if replace { BPF_EXIST } else { BPF_NOEXIST };
        match FLOWS.insert(key, &*draft, flags.into()) {
            Ok(()) => Ok(()),
            Err(EEXIST) => Err(InsertError::Exists),
            Err(_) => Err(InsertError::Full),
        }
    }

    #[inline(always)]
    fn ports(&self, key: &PortKey) -> Option<&'static PortBlock> {
        // SAFETY: after insertion only atomic words change. Where user space removes a block in which a
        // port is just being taken, the insertion of the member's entry decides alone.
        unsafe { PORTS.get(key) }
    }

    #[inline(always)]
    fn add_ports(&self, key: &PortKey) {
        let block = (&raw const NO_PORTS).cast::<PortBlock>();
        // SAFETY: as large and as aligned as a block, and any bytes are one.
        let block = unsafe { &*block };
        // There already is as good.
        let _ = PORTS.insert(key, block, BPF_NOEXIST.into());
    }

    #[inline(always)]
    fn half_open(&self, ticket: u32) -> Option<&'static HalfOpen> {
        // SAFETY: as for whether there are zones.
        let mask = unsafe { core::ptr::read_volatile(&raw const HALF_OPEN_MASK) };
        HALF_OPENS.get(ticket & mask)
    }

    #[inline(always)]
    fn remove_flow(&self, key: &FlowKey) {
        // Gone already is as good.
        let _ = FLOWS.remove(key);
    }

    #[inline(always)]
    fn next_hop(&self, key: &HopKey) -> Option<&'static NextHop> {
        hops::get(key)
    }

    #[inline(always)]
    fn want_next_hop(&self, key: &HopKey) {
        hops::want(key);
    }

    #[inline(always)]
    fn fragmented(&self, key: &FragmentKey) -> Option<&'static Fragmented> {
        // SAFETY: never changes. One evicted meanwhile may be another datagram's: this fragment is then lost, as without it.
        unsafe { FRAGMENTED.get(key) }
    }

    #[inline(always)]
    fn remember(&self, key: &FragmentKey, datagram: &Fragmented) {
        // The others of one that cannot be remembered are as if they came before the first.
        let _ = FRAGMENTED.insert(key, datagram, 0);
    }

    #[inline(always)]
    fn forget(&self, key: &FragmentKey) {
        // Gone already is as good.
        let _ = FRAGMENTED.remove(key);
    }

    #[inline(always)]
    fn last_id(&self, hash: u32) -> Option<&'static Word32> {
        LAST_IDS.get(hash % ID_PLACES)
    }

    #[inline(always)]
    fn at_desk<R>(&self, work: impl FnOnce(&mut Desk) -> R) -> Option<R> {
        const { assert!(size_of::<Desk>() <= DESK && align_of::<Desk>() <= 8) };
        let desk = DESKS.get_ptr_mut(0)?.cast::<Desk>();
        // SAFETY: zero, or what the last one left behind, is a desk; this CPU's own, and programs of one
        // CPU do not nest here.
        Some(work(unsafe { &mut *desk }))
    }

    #[inline(always)]
    fn repeat<S: Step<Self>>(&self, times: u32, step: &mut S) {
        walk::repeat(times, step);
    }

    #[inline(always)]
    fn load_changed(&self, pool: u32, member: u32, by: u32, elapsed: u64) {
        load_changed(pool, member, by, elapsed);
    }

    #[inline(always)]
    fn listening(&self) -> bool {
        // Zero means nobody, and then the clock need not be asked.
        LISTENING.get(0).is_some_and(|until| until.get() != 0 && until.get() > self.now())
    }

    #[inline(always)]
    fn emit(&self, fill: impl FnOnce(&mut Event)) {
        match EVENTS.reserve(0) {
            Some(mut room) => {
                fill(room.write(Event::new_zeroed()));
                room.submit(0);
            }
            None => self.count(counter::Event::EventLost.into()),
        }
    }

    #[inline(always)]
    fn count(&self, counter: Counter) {
        self.count_in(self.zone, counter);
    }

    #[inline(always)]
    fn count_in(&self, zone: u16, counter: Counter) {
        if let Some(value) = COUNTERS.get_ptr_mut(counter_index(zone, counter.number())) {
            // SAFETY: this CPU's own slot, and programs of one CPU do not nest here.
            unsafe { *value += 1 };
        }
    }

    #[inline(always)]
    fn account(&self, member: u32, direction: Direction, payload: u32) {
        if let Some(stats) = MEMBER_STATS.get_ptr_mut(member) {
            // SAFETY: this CPU's own slot, and programs of one CPU do not nest here.
            unsafe { (*stats).add(direction, payload) };
        }
    }

    #[inline(always)]
    fn account_failure(&self, member: u32) {
        if let Some(stats) = MEMBER_STATS.get_ptr_mut(member) {
            // SAFETY: this CPU's own slot, and programs of one CPU do not nest here.
            unsafe { (*stats).failed += 1 };
        }
    }

    #[inline(always)]
    fn account_connection(&self, member: u32) {
        if let Some(stats) = MEMBER_STATS.get_ptr_mut(member) {
            // SAFETY: this CPU's own slot, and programs of one CPU do not nest here.
            unsafe { (*stats).connections += 1 };
        }
    }
}
