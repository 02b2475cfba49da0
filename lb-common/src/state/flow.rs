//! Conntrack: one entry for each direction of a connection.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{
    addr::Tuple,
    atomic::{Atomics, Word32, Word64},
    nat::Rewrite,
    state::{Mode, phase::Phase},
    verdict::Direction,
    wire::{Segment, Seq},
};

/// Which direction of which connection a packet belongs to.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct FlowKey {
    /// Source and destination of the packet as it comes in.
    pub tuple: Tuple,
    /// The attachment it comes in on, so that namespaces with the same addresses can share a table.
    pub zone: u16,
    /// IP protocol number.
    pub protocol: u8,
    /// Always zero.
    pub reserved: u8,
}

impl FlowKey {
    /// The key of packets with this `tuple`.
    #[inline(always)]
    pub const fn new(tuple: Tuple, zone: u16, protocol: u8) -> Self {
        Self { tuple, zone, protocol, reserved: 0 }
    }
}

/// How far the numbers of a packet may lie from those of its direction, in bytes: beyond what a window in use holds, so
/// that a stray segment does not take the connection's numbers along. Who knows neither number comes near both in one
/// of 16,384 tries.
pub(crate) const LEAP: u32 = 1 << 24;

/// One direction of a connection: the whole rewrite and what was seen of it.
///
/// Every packet touches the entry of its own direction only. The connection's phase
/// lives in the client's entry; the few packets of a member that move it look that up.
#[derive(Debug, FromBytes, IntoBytes, KnownLayout)]
#[repr(C)]
pub struct Flow {
    /// How packets are rewritten. Of [`Mode::Dsr`], whose packets stay as they are, what they would become
    /// with [`Mode::Dnat`]: the destination is the next hop. Never changes.
    pub rewrite: Rewrite,
    /// Index of the member. Never changes.
    pub member: u32,
    /// Index of the pool. Never changes.
    pool: u16,
    /// Zero in the client's entry, one in the member's. Never changes.
    from_member: u8,
    /// The [`Mode`] that the pool had when the connection was given to the member, as its number. Never
    /// changes.
    mode: u8,
    /// The phase of the connection, in the client's entry, and in a member's entry that has outlived it. The
    /// member's entry of a UDP flow has here whether the member has answered, which its packets need not look
    /// up then.
    pub phase: Phase,
    /// The connection's turn among the half-open ones ([`crate::state::HalfOpen`]), in the
    /// client's entry. Never changes.
    pub ticket: u32,
    /// When the last packet of this direction passed, in nanoseconds of monotonic time.
    pub last_seen: Word64,
    /// When this direction last sent something new, or acknowledged something new, in nanoseconds
    /// of monotonic time. Keepalives (RFC 9293 section 3.8.4) and retransmissions do neither.
    pub last_news: Word64,
    /// Payload bytes that passed in this direction, retransmissions included.
    pub payload: Word64,
    /// When the connection was opened, in nanoseconds of monotonic time.
    pub opened: u64,
    /// How long the member took to accept, or to first answer in a UDP flow, in microseconds and one more;
    /// zero before, and in the member's entry.
    accepted: Word32,
    /// The sequence number after everything that this direction has sent ([`Seq`]). Means nothing
    /// in the member's entry before the member has accepted. In the client's entry of a UDP flow, the
    /// generation of its pool ([`crate::state::Pool::generation`]) that last had the flow's member.
    pub next: Word32,
    /// The highest acknowledgement of this direction ([`Seq`]): what this end expects next, so what
    /// it takes a RST for (RFC 5961 section 3.2). Means nothing before the member has accepted; the
    /// SYN-ACK sets it in both entries, because the numbers of an end may start anywhere.
    pub acked: Word32,
    /// The client's latest timestamp (TSval, RFC 7323) since it has closed, zero if there was none: what
    /// a member in TIME_WAIT compares a SYN with. In the client's entry; the member's has it once it has
    /// outlived that. Of [`Mode::Dsr`], in place of that, the number that a SYN on a connection that is
    /// open announces; zero if there was none.
    pub stamp: Word32,
}

const _: () = assert!(size_of::<FlowKey>() == 40 && size_of::<Flow>() == 104);

impl Flow {
    /// Makes this the entry of a direction that opens now, all but the rewrite. Written where it lies: the
    /// BPF stack has no room for another.
    #[inline(always)]
    pub fn begin(&mut self, member: u32, pool: u32, mode: Mode, from_member: bool, now: u64) {
        self.member = member;
        self.pool = pool as u16;
        self.from_member = from_member as u8;
        self.mode = mode as u8;
        self.phase = Phase::default();
        self.last_seen = Word64::new(now);
        self.last_news = Word64::new(now);
        self.payload = Word64::new(0);
        self.opened = now;
        self.accepted = Word32::new(0);
        self.next = Word32::new(0);
        self.acked = Word32::new(0);
        self.ticket = 0;
        self.stamp = Word32::new(0);
    }

    /// Takes note that the member accepted, so many nanoseconds after the opening.
    #[inline(always)]
    pub fn accept(&self, elapsed: u64) {
        self.accepted.set((elapsed / 1000).min(u32::MAX as u64 - 1) as u32 + 1);
    }

    /// When the member accepted, or first answered, in nanoseconds of monotonic time to the microsecond; zero if it has not.
    #[inline(always)]
    pub fn accepted(&self) -> u64 {
        match self.accepted.get() {
            0 => 0,
            micros => self.opened + (micros as u64 - 1) * 1000,
        }
    }

    /// Index of the pool.
    #[inline(always)]
    pub const fn pool(&self) -> u32 {
        self.pool as u32
    }

    /// Whether this is the member's entry.
    #[inline(always)]
    pub const fn is_from_member(&self) -> bool {
        self.from_member != 0
    }

    /// Which way the packets of this entry go.
    #[inline(always)]
    pub const fn direction(&self) -> Direction {
        if self.is_from_member() { Direction::ToClient } else { Direction::ToMember }
    }

    /// The mode of the connection, whatever that of its pool is by now.
    #[inline(always)]
    pub const fn mode(&self) -> Mode {
        Mode::from_number(self.mode as u32)
    }

    /// Whether the member answers past the node ([`Mode::Dsr`]): there is no member's entry.
    #[inline(always)]
    pub const fn is_direct(&self) -> bool {
        self.mode == Mode::Dsr as u8
    }

    /// Records a packet; nothing is written that has not changed.
    #[inline(always)]
    pub fn touch(&self, atomics: &impl Atomics, now: u64, segment: &Segment) {
        if self.last_seen.get() != now {
            self.last_seen.set(now);
        }
        if segment.payload != 0 {
            atomics.add64(&self.payload, segment.payload as u64);
        }
        // A RST is judged by the numbers, so it must not move them.
        if segment.flags.rst() || !self.is_near(segment) {
            return;
        }
        let sent = advance(&self.next, segment.end());
        let acknowledged = advance(&self.acked, segment.ack);
        if (sent || acknowledged) && self.last_news.get() != now {
            self.last_news.set(now);
        }
    }

    /// Whether the segment may be of this direction, by its numbers (RFC 9293 section 3.10.7.4, RFC 5961 section 5.2). One
    /// without an acknowledgement is of none: SYNs set the numbers and do not move them.
    #[inline(always)]
    fn is_near(&self, segment: &Segment) -> bool {
        let near = |number: Seq, known: Seq| number.plus(LEAP).ahead_of(known) <= 2 * LEAP;
        segment.flags.ack() && near(segment.seq, self.next()) && near(segment.ack, self.acked())
    }

    /// Whether the number that this direction has come to lies ahead of what the other end has acknowledged, and by no
    /// more than can be on its way.
    #[inline(always)]
    pub fn leads(&self, other: &Self) -> bool {
        self.next().ahead_of(other.acked()) <= LEAP
    }

    /// Takes note of a timestamp, unless a later one is known.
    #[inline(always)]
    pub fn see_stamp(&self, stamp: u32) {
        let known = self.stamp.get();
        if stamp == 0 {
            return;
        }
        if known == 0 || Seq::new(stamp).is_after(Seq::new(known)) {
            self.stamp.set(stamp);
        }
    }

    /// Whether this is a member's entry that has outlived its connection: it holds the NAT port while
    /// the member may be in TIME_WAIT, and leads nowhere.
    #[inline(always)]
    pub fn is_left_behind(&self) -> bool {
        self.from_member != 0 && self.phase.get().is_closing()
    }

    /// Records a datagram of a UDP flow: each one is news.
    #[inline(always)]
    pub fn pass(&self, atomics: &impl Atomics, now: u64, payload: u32) {
        if self.last_seen.get() != now {
            self.last_seen.set(now);
            self.last_news.set(now);
        }
        if payload != 0 {
            atomics.add64(&self.payload, payload.into());
        }
    }

    /// Takes the numbers of a segment that synchronizes them, whatever was known before.
    #[inline(always)]
    pub fn synchronize(&self, segment: &Segment) {
        self.next.set(segment.end().get());
        self.acked.set(segment.ack.get());
    }

    /// The sequence number after everything that this direction has sent.
    #[inline(always)]
    pub fn next(&self) -> Seq {
        Seq::new(self.next.get())
    }

    /// What this end expects next.
    #[inline(always)]
    pub fn acked(&self) -> Seq {
        Seq::new(self.acked.get())
    }

    /// Whether this client's entry and the member's entry with `key` are of one connection.
    #[inline(always)]
    pub fn answers(&self, key: &FlowKey) -> bool {
        !self.is_direct() && self.rewrite.to == key.tuple.reversed()
    }

    /// The key of the other direction of the same connection: its packets come from
    /// where ours are sent to. A connection that [is direct](Self::is_direct) has none; the key may be another one's.
    #[inline(always)]
    pub const fn peer_key(&self, key: &FlowKey) -> FlowKey {
        FlowKey::new(self.rewrite.to.reversed(), key.zone, key.protocol)
    }
}

/// Moves a word forward to `number` and says whether that was news.
#[inline(always)]
fn advance(word: &Word32, number: Seq) -> bool {
    let step = number.ahead_of(Seq::new(word.get()));
    let moves = step != 0 && step <= LEAP;
    if moves {
        word.set(number.get());
    }
    moves
}
