//! Tables that nothing is written to.

use core::cell::Cell;

use crate::{
    atomic::{Atomics, Word32, Word64},
    counter::Counter,
    forward::Desk,
    state::{
        AllowedNet, Budget, Cursor, Drain, Event, Flow, FlowKey, FragmentKey, Fragmented, HalfOpen,
        HopKey, Identity, Load, NOBODY, NextHop, Node, PartKey, Pool, PortBlock, PortKey, Slot,
        Sticky, StickyKey, Vip, VipKey, VipLoad,
    },
    tables::{InsertError, Step, Tables},
    verdict::Direction,
};

/// Somebody's tables as they are; what a decision writes to them is held back.
///
/// An addition answers what is there, an insertion whether the key is free, the last one removed being so. Turns of round robin are the
/// exception: a decision may need several, so they are counted here.
///
/// Values that are looked up are the real ones. Whoever decides on these tables must therefore not store
/// into a word ([`Word64::set`]) before it knows that they are not [`Tables::DRY`].
pub(crate) struct Dry<'a, T> {
    tables: &'a T,
    turns: Cell<u64>,
    kept: Cell<u32>,
    due: Cell<u32>,
    /// Whether an entry would be gone: a decision removes one only to insert another with its key.
    vacant: Cell<bool>,
}

impl<'a, T> Dry<'a, T> {
    #[inline(always)]
    pub(crate) fn of(tables: &'a T) -> Self {
        Self {
            tables,
            turns: Cell::new(0),
            kept: Cell::new(NOBODY),
            due: Cell::new(NOBODY),
            vacant: Cell::new(false),
        }
    }

    /// The member that the client was kept on and that could not take it.
    #[inline(always)]
    pub(crate) fn kept(&self) -> u32 {
        self.kept.get()
    }

    /// The first choice of the method, if that could not take the connection.
    #[inline(always)]
    pub(crate) fn due(&self) -> u32 {
        self.due.get()
    }
}

impl<T: Tables> Atomics for Dry<'_, T> {
    #[inline(always)]
    fn add32(&self, word: &Word32, _value: u32) -> u32 {
        word.get()
    }

    #[inline(always)]
    fn add64(&self, word: &Word64, _value: u64) -> u64 {
        word.get()
    }

    #[inline(always)]
    fn or32(&self, word: &Word32, _bits: u32) -> u32 {
        word.get()
    }

    #[inline(always)]
    fn or64(&self, word: &Word64, _bits: u64) -> u64 {
        word.get()
    }

    #[inline(always)]
    fn and64(&self, word: &Word64, _bits: u64) -> u64 {
        word.get()
    }

    #[inline(always)]
    fn exchange64(&self, word: &Word64, _expected: u64, _new: u64) -> u64 {
        word.get()
    }
}

/// A step on dry tables as one on the tables below.
struct Below<'a, 'b, T, S> {
    dry: &'a Dry<'b, T>,
    step: &'a mut S,
}

impl<'b, T: Tables, S: Step<Dry<'b, T>>> Step<T> for Below<'_, 'b, T, S> {
    #[inline(always)]
    fn step(&mut self, _tables: &T, index: u32) -> bool {
        self.step.step(self.dry, index)
    }
}

impl<T: Tables> Tables for Dry<'_, T> {
    type Ref<V: 'static> = T::Ref<V>;

    const DRY: bool = true;

    #[inline(always)]
    fn zone(&self) -> u16 {
        self.tables.zone()
    }

    #[inline(always)]
    fn now(&self) -> u64 {
        self.tables.now()
    }

    #[inline(always)]
    fn exact_now(&self) -> u64 {
        self.tables.exact_now()
    }

    #[inline(always)]
    fn vip(&self, key: &VipKey) -> Option<T::Ref<Vip>> {
        self.tables.vip(key)
    }

    #[inline(always)]
    fn pool(&self, pool: u32) -> Option<T::Ref<Pool>> {
        self.tables.pool(pool)
    }

    #[inline(always)]
    fn cursor(&self, pool: u32) -> Option<T::Ref<Cursor>> {
        self.tables.cursor(pool)
    }

    #[inline(always)]
    fn take_turn(&self, cursor: &Cursor) -> u64 {
        let turns = self.turns.get();
        self.turns.set(turns + 1);
        cursor.turn.get().wrapping_add(turns)
    }

    #[inline(always)]
    fn overlook(&self, member: u32, kept: bool) {
        if kept {
            self.kept.set(member);
        } else if self.due.get() == NOBODY {
            self.due.set(member);
        }
    }

    #[inline(always)]
    fn slot(&self, key: &PartKey) -> Option<T::Ref<Slot>> {
        self.tables.slot(key)
    }

    #[inline(always)]
    fn tick(&self, key: &PartKey) -> Option<u32> {
        self.tables.tick(key)
    }

    #[inline(always)]
    fn seat(&self, key: &PartKey) -> Option<u32> {
        self.tables.seat(key)
    }

    #[inline(always)]
    fn node(&self, key: &PartKey) -> Option<T::Ref<Node>> {
        self.tables.node(key)
    }

    #[inline(always)]
    fn budget(&self, pool: u32) -> Option<T::Ref<Budget>> {
        self.tables.budget(pool)
    }

    #[inline(always)]
    fn load(&self, member: u32) -> Option<T::Ref<Load>> {
        self.tables.load(member)
    }

    #[inline(always)]
    fn drain(&self, member: u32) -> Option<T::Ref<Drain>> {
        self.tables.drain(member)
    }

    #[inline(always)]
    fn vip_load(&self, pool: u32) -> Option<T::Ref<VipLoad>> {
        self.tables.vip_load(pool)
    }

    #[inline(always)]
    fn allows(&self, address: &AllowedNet) -> bool {
        self.tables.allows(address)
    }

    #[inline(always)]
    fn identity(&self, member: u32) -> Option<T::Ref<Identity>> {
        self.tables.identity(member)
    }

    #[inline(always)]
    fn sticky(&self, key: &StickyKey) -> Option<T::Ref<Sticky>> {
        self.tables.sticky(key)
    }

    #[inline(always)]
    fn stick(&self, _key: &StickyKey, _sticky: Sticky) {}

    #[inline(always)]
    fn flow(&self, key: &FlowKey) -> Option<T::Ref<Flow>> {
        self.tables.flow(key)
    }

    #[inline(always)]
    fn put_flow(
        &self,
        key: &FlowKey,
        replace: bool,
        _fill: impl FnOnce(&mut Flow),
    ) -> Result<(), InsertError> {
        // Whether there is room is for the insertion to find out.
        let is_free = replace || self.vacant.get() || self.flow(key).is_none();
        if is_free { Ok(()) } else { Err(InsertError::Exists) }
    }

    #[inline(always)]
    fn remove_flow(&self, _key: &FlowKey) {
        self.vacant.set(true);
    }

    #[inline(always)]
    fn ports(&self, key: &PortKey) -> Option<T::Ref<PortBlock>> {
        self.tables.ports(key)
    }

    #[inline(always)]
    fn add_ports(&self, _key: &PortKey) {}

    #[inline(always)]
    fn half_open(&self, ticket: u32) -> Option<T::Ref<HalfOpen>> {
        self.tables.half_open(ticket)
    }

    #[inline(always)]
    fn next_hop(&self, key: &HopKey) -> Option<T::Ref<NextHop>> {
        self.tables.next_hop(key)
    }

    #[inline(always)]
    fn want_next_hop(&self, _key: &HopKey) {}

    #[inline(always)]
    fn fragmented(&self, key: &FragmentKey) -> Option<T::Ref<Fragmented>> {
        self.tables.fragmented(key)
    }

    #[inline(always)]
    fn remember(&self, _key: &FragmentKey, _datagram: &Fragmented) {}

    #[inline(always)]
    fn forget(&self, _key: &FragmentKey) {}

    #[inline(always)]
    fn last_id(&self, hash: u32) -> Option<T::Ref<Word32>> {
        self.tables.last_id(hash)
    }

    #[inline(always)]
    fn at_desk<R>(&self, work: impl FnOnce(&mut Desk) -> R) -> Option<R> {
        self.tables.at_desk(work)
    }

    #[inline(always)]
    fn repeat<S: Step<Self>>(&self, times: u32, step: &mut S) {
        self.tables.repeat(times, &mut Below { dry: self, step });
    }

    #[inline(always)]
    fn listening(&self) -> bool {
        false
    }

    #[inline(always)]
    fn emit(&self, _fill: impl FnOnce(&mut Event)) {}

    #[inline(always)]
    fn count(&self, _counter: Counter) {}

    #[inline(always)]
    fn count_in(&self, _zone: u16, _counter: Counter) {}

    #[inline(always)]
    fn account(&self, _member: u32, _direction: Direction, _payload: u32) {}

    #[inline(always)]
    fn account_connection(&self, _member: u32) {}

    #[inline(always)]
    fn account_failure(&self, _member: u32) {}
}
