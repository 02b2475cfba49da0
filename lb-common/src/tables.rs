//! What a decision may know and change besides the packet.

use core::ops::Deref;

use crate::{
    atomic::{Atomics, Word32},
    counter::Counter,
    forward::Desk,
    schedule,
    state::{
        AllowedNet, Budget, Cursor, Drain, Event, Flow, FlowKey, FragmentKey, Fragmented, HalfOpen,
        HopKey, Identity, Load, NextHop, Node, PartKey, Pool, PortBlock, PortKey, Slot, Sticky,
        StickyKey, Vip, VipKey, VipLoad,
    },
    verdict::Direction,
};

/// Why an entry could not be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InsertError {
    /// The key is there already. The insertion itself decides this, atomically.
    Exists,
    /// No room.
    Full,
}

/// What [`Tables::repeat`] does each time. The tables that it is given do not know the zone: it counts by
/// [`Tables::count_in`].
pub trait Step<T: Tables> {
    /// Does the step with this index. Returns whether to go on.
    fn step(&mut self, tables: &T, index: u32) -> bool;
}

/// The maps, as the decisions see them.
///
/// Values are shared with other CPUs: what changes after insertion is atomic.
pub trait Tables: Atomics {
    /// A shared value that was looked up.
    type Ref<T: 'static>: Deref<Target = T>;

    /// Whether nothing may be written, because somebody only asks what would be decided
    /// ([`crate::forward::route`]).
    const DRY: bool = false;

    /// The zone of the device the packet came in on ([`FlowKey::zone`]).
    fn zone(&self) -> u16;
    /// Monotonic time in nanoseconds; may be coarse.
    fn now(&self) -> u64;
    /// The same time, exact and dearer.
    fn exact_now(&self) -> u64;

    /// The listener at an address and port.
    fn vip(&self, key: &VipKey) -> Option<Self::Ref<Vip>>;
    /// A pool by its index.
    fn pool(&self, pool: u32) -> Option<Self::Ref<Pool>>;
    /// A pool's place in its schedule.
    fn cursor(&self, pool: u32) -> Option<Self::Ref<Cursor>>;
    /// Takes the next turn of a pool's round robin; nobody else gets the same.
    #[inline(always)]
    fn take_turn(&self, cursor: &Cursor) -> u64 {
        self.add64(&cursor.turn, 1)
    }
    /// Takes note that a member would have had a connection, but cannot take it now: the one that its
    /// client was `kept` on, or the method's choice.
    #[inline(always)]
    fn overlook(&self, _member: u32, _kept: bool) {}
    /// A member of a pool by its index.
    fn slot(&self, key: &PartKey) -> Option<Self::Ref<Slot>>;
    /// The index of the member that a pool's order gives to a tick.
    fn tick(&self, key: &PartKey) -> Option<u32>;
    /// The index of the member that has a leaf of its pool's tournament; none if nobody has.
    fn seat(&self, key: &PartKey) -> Option<u32>;
    /// A node of the tournament between a pool's members.
    fn node(&self, key: &PartKey) -> Option<Self::Ref<Node>>;
    /// What is left to tell a pool's connections of errors.
    fn budget(&self, pool: u32) -> Option<Self::Ref<Budget>>;
    /// A member's load.
    fn load(&self, member: u32) -> Option<Self::Ref<Load>>;
    /// When a member's connections end.
    fn drain(&self, member: u32) -> Option<Self::Ref<Drain>>;

    /// The connections of a pool's listener.
    fn vip_load(&self, pool: u32) -> Option<Self::Ref<VipLoad>>;
    /// Whether an address is in one of the networks of its pool and generation.
    fn allows(&self, address: &AllowedNet) -> bool;

    /// A member that clients may stick to, by its index.
    fn identity(&self, member: u32) -> Option<Self::Ref<Identity>>;
    /// The member that a client had.
    fn sticky(&self, key: &StickyKey) -> Option<Self::Ref<Sticky>>;
    /// Adds or replaces the member of a client, if need be in place of another client's.
    fn stick(&self, key: &StickyKey, sticky: Sticky);

    /// The conntrack entry of one direction of a connection.
    fn flow(&self, key: &FlowKey) -> Option<Self::Ref<Flow>>;
    /// Adds the conntrack entry that `fill` makes, unless the key is there; or puts it, at once, in the
    /// place of the one that is there.
    fn put_flow(
        &self,
        key: &FlowKey,
        replace: bool,
        fill: impl FnOnce(&mut Flow),
    ) -> Result<(), InsertError>;
    /// Removes a conntrack entry; nothing happens if it is gone already.
    fn remove_flow(&self, key: &FlowKey);

    /// Which NAT ports of a block are taken; `None` if none ever was, or there was no room to note it.
    fn ports(&self, key: &PortKey) -> Option<Self::Ref<PortBlock>>;
    /// Adds a block with all its ports free unless it is there, or there is no room.
    fn add_ports(&self, key: &PortKey);

    /// The place of a half-open connection with this ticket; others have had it and will.
    fn half_open(&self, ticket: u32) -> Option<Self::Ref<HalfOpen>>;

    /// The datagram that a fragment is of.
    fn fragmented(&self, key: &FragmentKey) -> Option<Self::Ref<Fragmented>>;
    /// Adds or replaces the datagram that fragments with this key are of, if need be in place of another one.
    fn remember(&self, key: &FragmentKey, datagram: &Fragmented);
    /// Forgets it; nothing happens if there is none.
    fn forget(&self, key: &FragmentKey);
    /// The identification that a datagram got last whose addresses have this hash.
    fn last_id(&self, hash: u32) -> Option<Self::Ref<Word32>>;

    /// Whom packets to a destination are sent to.
    fn next_hop(&self, key: &HopKey) -> Option<Self::Ref<NextHop>>;
    /// Adds a next hop of which nothing is known yet, if need be in place of another one.
    fn want_next_hop(&self, key: &HopKey);

    /// Lends the desk of whoever runs now; `None` if there is none.
    fn at_desk<R>(&self, work: impl FnOnce(&mut Desk) -> R) -> Option<R>
    where
        Self: Sized;

    /// Takes up to `times` steps, counting from zero.
    ///
    /// A loop that the BPF verifier checks once and not once for each turn (`bpf_loop`,
    /// kernel commit e6f2dd0f8067); decisions use it where the turns are many.
    fn repeat<S: Step<Self>>(&self, times: u32, step: &mut S)
    where
        Self: Sized;

    /// Takes a change of a member's load into account: [`schedule::change`], which the BPF verifier may check apart from all
    /// those who want it.
    #[inline(always)]
    fn load_changed(&self, pool: u32, member: u32, by: u32, elapsed: u64)
    where
        Self: Sized,
    {
        schedule::change(self, pool, member, by, elapsed);
    }

    /// Whether somebody wants to hear of events.
    fn listening(&self) -> bool;
    /// Tells whoever listens; one that does not keep up misses it, which is counted.
    ///
    /// The event is all zero to begin with, and filled in where it will lie, if there is room.
    fn emit(&self, fill: impl FnOnce(&mut Event));

    /// Adds one to a counter.
    fn count(&self, counter: Counter);
    /// The same for whoever knows the zone better than the tables.
    fn count_in(&self, zone: u16, counter: Counter);
    /// Adds a forwarded packet with `payload` bytes to a member's statistics.
    fn account(&self, member: u32, direction: Direction, payload: u32);
    /// Adds a connection to a member's statistics.
    fn account_connection(&self, member: u32);
    /// Adds a connection that it did not accept to a member's statistics.
    fn account_failure(&self, member: u32);
}
