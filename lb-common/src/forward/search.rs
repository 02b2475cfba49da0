//! The search for a NAT port.
//!
//! In this order: the port of the connection that the client's port was used for before, of which nobody
//! can know better than the client that it is over; the client's own port; a free port of any of the
//! pool's source addresses; then ports at rest, those the member has forgotten first, then those where
//! its TIME_WAIT takes the SYN by sequence number, then those where it does by timestamp. A free port is
//! found whenever there is one; ports at rest are given up after some tries, so that no SYN can be made to
//! cost a look at every closed connection.
//!
//! The bit that is taken decides who has a port ([`crate::state::PortBlock`]); the insertion of the
//! member's entry decides once more, should the bits not know of somebody.

use zerocopy::FromZeros;

use crate::{
    addr::Addr,
    be::Be16,
    counter::Event,
    forward::reserve::{FOUND, FULL, Goal, NO_PORT, insert},
    ports::{self, Welcome},
    schedule::spread,
    state::{FlowKey, MAX_SNAT, Pool, PortBlock, PortKey, Rest},
    tables::{InsertError, Step, Tables},
};

/// Closed connections looked at for each way of taking over a port. Where numbers are random every
/// other one will do.
const TRIES: u32 = 64;

/// Ports lost to other CPUs before a search is given up.
const RACES: u32 = 16;

/// Which ports a round of the search is after, in the order of the rounds.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, FromZeros)]
struct Way(u32);

impl Way {
    const FORMER: Self = Self(0);
    const OWN: Self = Self(1);
    const FREE: Self = Self(2);
    const QUIET: Self = Self(3);
    const BY_SEQUENCE: Self = Self(4);
    const END: u32 = 6;
    /// Those that walk over the blocks.
    const WALKS: u32 = Self::END - Self::FREE.0;
}

/// Where a search is: a look at two ports, then walks over the blocks of each address, one for each way. The
/// block where a walk starts is visited twice, first from the start to its end and last from its beginning.
///
/// It lies on the desk, because the verifier knows nothing of what is there: a number on the stack that each
/// turn increases would make every turn another one to it.
#[derive(Default, FromZeros)]
pub(super) struct Walk {
    /// How many blocks the pool's range touches.
    blocks: u32,
    /// Where each walk starts: a port of the range, and one of the source addresses.
    start: u32,
    first_source: u32,
    sources: u32,
    way: Way,
    /// Addresses that the walk is through with.
    source: u32,
    /// Blocks of the address that the walk is through with.
    visit: u32,
    /// No port of the block below this one is looked at.
    next: u32,
    tries: u32,
    result: u32,
}

impl Walk {
    /// A walk over the ports of `pool` for the client with `key`.
    #[inline(always)]
    pub(super) fn begin(&mut self, key: &FlowKey, pool: &Pool) {
        let (low, high) = (pool.port_low as u32, pool.port_high as u32);
        let span = high.saturating_sub(low) + 1;
        let client = &key.tuple;
        self.blocks = (high / PortBlock::PORTS).saturating_sub(low / PortBlock::PORTS) + 1;
        // Where the search starts is anybody's guess (RFC 6056), but a client keeps its source address.
        let spread_port = spread(client.src.folded() ^ ((client.sport.raw() as u32) << 16));
        self.start = low + part(spread_port, span);
        self.sources = pool.snat_count.min(MAX_SNAT as u32) + 1;
        self.first_source = part(spread(client.src.folded()), self.sources);
        self.way = Way::FORMER;
        self.source = 0;
        self.visit = 0;
        self.next = self.start;
        self.tries = 0;
        self.result = NO_PORT;
    }

    /// Turns that are enough. The first and the last port, and the listener's, make for some that find
    /// nothing.
    #[inline(always)]
    pub(super) const fn turns(&self) -> u32 {
        Way::FREE.0 + Way::WALKS * (self.sources * (self.blocks + 5) + TRIES) + RACES
    }

    #[inline(always)]
    pub(super) const fn result(&self) -> u32 {
        self.result
    }

    /// On to the next block, address or way. Returns whether there is one.
    #[inline(always)]
    fn advance(&mut self) -> bool {
        self.visit += 1;
        self.next = 0;
        if self.way >= Way::FREE {
            if self.visit <= self.blocks {
                return true;
            }
            self.source += 1;
        } else {
            self.source = self.sources;
        }
        self.visit = 0;
        self.next = self.start;
        if self.source >= self.sources {
            self.source = 0;
            self.tries = 0;
            self.way.0 += 1;
        }
        self.way.0 < Way::END
    }
}

/// The steps of a search.
pub(super) struct Search<'a> {
    pub(super) key: &'a FlowKey,
    pub(super) pool: &'a Pool,
    pub(super) goal: &'a mut Goal,
}

impl Search<'_> {
    /// The source address that it is about now.
    #[inline(always)]
    fn address(&self) -> Addr {
        if self.goal.walk.way == Way::FORMER {
            return self.goal.former.src;
        }
        let turn = self.goal.walk.first_source + self.goal.walk.source;
        let index =
            if turn < self.goal.walk.sources { turn } else { turn - self.goal.walk.sources };
        // A remainder, because the verifier does not see what a comparison says of a copy.
        let other = self.pool.snat[index.wrapping_sub(1) as usize % MAX_SNAT];
        if index == 0 { self.key.tuple.dst } else { other }
    }

    /// Writes down the key of the member's answers to a port of the address, and which block that is in.
    #[inline(always)]
    fn aim(&mut self, port: u32) {
        let source = self.address();
        let Goal { slot, answers, block, .. } = &mut *self.goal;
        answers.tuple.src = slot.address;
        answers.tuple.dst = source;
        answers.tuple.sport = slot.port;
        answers.tuple.dport = Be16::new(port as u16);
        answers.zone = self.key.zone;
        answers.protocol = self.key.protocol;
        *block = PortKey::of(answers);
    }

    /// The port itself where there is but one to look at, else the first of the block of this visit.
    #[inline(always)]
    fn place(&self) -> u32 {
        match self.goal.walk.way {
            Way::FORMER => self.goal.former.sport.get().into(),
            Way::OWN => self.key.tuple.sport.get().into(),
            _ => {
                let first = self.pool.port_low as u32 / PortBlock::PORTS;
                let block = self.goal.walk.start / PortBlock::PORTS + self.goal.walk.visit;
                let beyond = first + self.goal.walk.blocks;
                (if block < beyond { block } else { block - self.goal.walk.blocks })
                    * PortBlock::PORTS
            }
        }
    }

    /// Whether a port may be used at all. Answers must never look like a client's packets to the
    /// listener.
    #[inline(always)]
    fn allows(&self, port: u32) -> bool {
        let (answers, client) = (&self.goal.answers.tuple, &self.key.tuple);
        let is_listener = answers.dst == client.dst && answers.dport == client.dport;
        port >= self.pool.port_low as u32
            && port <= self.pool.port_high as u32
            && !is_listener
            && (self.goal.walk.way != Way::FORMER
                || (answers.is_reverse_of(&self.goal.former) && self.has_source(answers.dst)))
    }

    /// Whether the pool has this source address, now that a connection comes again that had it.
    #[inline(always)]
    fn has_source(&self, source: Addr) -> bool {
        let vip = source == self.key.tuple.dst;
        self.pool.snat.iter().fold(vip, |known, other| known | (*other == source))
    }

    /// Takes the port, if it can be had and the member will take the SYN on it.
    #[inline(always)]
    fn take<T: Tables>(&mut self, tables: &T, block: Option<&PortBlock>) -> bool {
        let port = self.goal.answers.tuple.dport.get().into();
        // Where there is no room to note who has a port, the insertion alone decides.
        let Some(block) = block else { return true };
        if self.goal.walk.way == Way::OWN || self.goal.walk.way == Way::FREE {
            return block.take(tables, port);
        }
        self.goal.walk.tries += 1;
        let rest = if self.goal.walk.way == Way::QUIET { Rest::Quiet } else { Rest::Waiting };
        let wanted = match self.goal.walk.way {
            Way::QUIET | Way::BY_SEQUENCE => Welcome::Yes,
            _ => Welcome::ByStamp,
        };
        // What was the client's own and rests quiet takes any SYN.
        let quiet = self.goal.walk.way == Way::FORMER && block.wake(tables, port, Rest::Quiet);
        let taken = quiet
            || (ports::welcome(tables, &self.goal.answers, &self.goal.syn) >= wanted
                && block.wake(tables, port, rest));
        if taken && T::DRY {
            tables.remove_flow(&self.goal.answers);
        } else if taken {
            ports::evict(tables, &self.goal.answers);
        }
        taken
    }

    /// Inserts the member's entry. Returns whether the search goes on.
    #[inline(always)]
    fn enter<T: Tables>(&mut self, tables: &T) -> bool {
        self.goal.walk.result = match insert(tables, self.key, self.goal) {
            Ok(()) => {
                self.goal.outgoing = self.goal.answers.tuple.reversed();
                FOUND
            }
            Err(InsertError::Exists) => NO_PORT,
            Err(InsertError::Full) => FULL,
        };
        if self.goal.walk.result != FOUND && !T::DRY {
            ports::free(tables, &self.goal.answers);
        }
        self.goal.walk.result == NO_PORT
    }
}

impl<T: Tables> Step<T> for Search<'_> {
    #[inline(always)]
    fn step(&mut self, tables: &T, _index: u32) -> bool {
        let (walks, place) = (self.goal.walk.way >= Way::FREE, self.place());
        self.aim(place);
        let mut block = tables.ports(&self.goal.block);
        if block.is_none() {
            if self.goal.walk.way != Way::OWN && self.goal.walk.way != Way::FREE {
                return self.goal.walk.advance();
            }
            tables.add_ports(&self.goal.block);
            block = tables.ports(&self.goal.block);
        }
        let mut port = place;
        if walks {
            let from = self.goal.walk.next % PortBlock::PORTS;
            let offset = match &block {
                Some(block) => self.candidate(tables, block, from),
                None => from,
            };
            port = place + offset;
            if offset >= PortBlock::PORTS || self.goal.walk.tries >= TRIES {
                return self.goal.walk.advance();
            }
        }
        self.goal.answers.tuple.dport = Be16::new(port as u16);
        if self.allows(port) {
            if self.take(tables, block.as_deref()) {
                if !self.enter(tables) {
                    return false;
                }
                tables.count_in(self.key.zone, Event::PortTaken.into());
            } else if self.goal.walk.way == Way::OWN {
                tables.count_in(self.key.zone, Event::PortTaken.into());
            }
        }
        if !walks {
            return self.goal.walk.advance();
        }
        self.goal.walk.next = (port + 1).max(self.pool.port_low as u32);
        // The last port of a block, and of the range, has no successor in it.
        if port >= self.pool.port_high as u32
            || self.goal.walk.next.is_multiple_of(PortBlock::PORTS)
        {
            return self.goal.walk.advance();
        }
        true
    }
}

impl Search<'_> {
    /// Where in the block, at `from` or above, the first port is that this round is after.
    #[inline(always)]
    fn candidate<T: Tables>(&self, tables: &T, block: &PortBlock, from: u32) -> u32 {
        let (words, flip) = match self.goal.walk.way {
            Way::FREE => (&block.taken, u64::MAX),
            Way::QUIET => (&block.quiet, 0),
            _ => (&block.waiting, 0),
        };
        ports::first(tables, words, flip, from)
    }
}

/// The remainder of a division by what is not zero. One that could fail is a panic in the BPF program.
#[inline(always)]
const fn part(number: u32, of: u32) -> u32 {
    match number.checked_rem(of) {
        Some(part) => part,
        None => 0,
    }
}
