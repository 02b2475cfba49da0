//! Connections whose handshake is not complete.
//!
//! Each has a place in a ring until its client has answered. Whoever comes when all places are taken
//! takes the oldest, so a flood of SYNs pushes out its own and fills nothing else. The place keeps the
//! client's SYN, to be sent once more to another member.
//!
//! A UDP flow is half open until its member has answered; its place has no SYN.

use core::cell::Cell;

use zerocopy::{FromBytes, IntoBytes, KnownLayout};

use crate::{
    atomic::Word32,
    schedule::Avoid,
    state::FlowKey,
    wire::{Options, Seq},
};

/// Places for half-open connections of one datapath, unless the loader says otherwise; a power of two.
pub const HALF_OPEN: u32 = 4096;

/// A place for a half-open connection.
#[derive(Debug, FromBytes, IntoBytes, KnownLayout)]
#[repr(C)]
pub struct HalfOpen {
    /// Key of the client's entry.
    pub client: Cell<FlowKey>,
    /// Ticket of the connection that has the place ([`crate::state::Flow::ticket`]); zero for none.
    pub ticket: Word32,
    /// Sequence number of the SYN.
    pub seq: Word32,
    /// Members that failed the connection so far.
    pub tries: Word32,
    /// Always zero.
    pub reserved: Word32,
    /// The last of those.
    pub failed: Cell<Avoid>,
    /// Options of the SYN.
    pub options: Options,
}

const _: () = assert!(size_of::<HalfOpen>() == 120);

impl HalfOpen {
    /// Gives the place to the connection with this ticket, whose SYN has the number `seq` and was
    /// given to `tries` members before, `failed` the last of them.
    #[inline(always)]
    pub fn give(&self, ticket: u32, client: &FlowKey, seq: Seq, tries: u32, failed: Avoid) {
        self.client.set(*client);
        self.seq.set(seq.get());
        self.tries.set(tries);
        self.failed.set(failed);
        self.ticket.set(ticket);
    }

    /// Sequence number of the SYN.
    #[inline(always)]
    pub fn seq(&self) -> Seq {
        Seq::new(self.seq.get())
    }
}
