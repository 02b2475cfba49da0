//! TCP (RFC 9293 section 3.1).

use core::mem::offset_of;

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use crate::{
    be::{Be16, Be32},
    wire::Seq,
};

/// A TCP header without its options.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Tcp {
    /// Source port.
    pub sport: Be16,
    /// Destination port.
    pub dport: Be16,
    /// Sequence number of the first byte, or of the SYN.
    pub seq: Be32,
    /// The next sequence number that the sender expects; valid with ACK.
    pub ack: Be32,
    offset: u8,
    flags: u8,
    /// What the sender still takes, unscaled.
    pub window: Be16,
    checksum: Be16,
    urgent: Be16,
}

impl Tcp {
    /// The header of a segment of ours with `options` bytes of options, its checksum still zero.
    #[inline(always)]
    pub const fn new(
        (sport, dport): (Be16, Be16),
        (seq, ack): (Seq, Seq),
        flags: Flags,
        window: Be16,
        options: u8,
    ) -> Self {
        Self {
            sport,
            dport,
            seq: Be32::new(seq.get()),
            ack: Be32::new(ack.get()),
            offset: (Self::MIN_LEN as u8 + options) << 2,
            flags: flags.0,
            window,
            checksum: Be16::new(0),
            urgent: Be16::new(0),
        }
    }

    /// The same header with this checksum.
    #[inline(always)]
    #[must_use]
    pub const fn with_checksum(self, checksum: Be16) -> Self {
        Self { checksum, ..self }
    }

    /// Bytes the header takes without options.
    pub const MIN_LEN: usize = size_of::<Self>();
    /// Where the checksum lies, from the start of the header.
    pub const CHECKSUM: usize = offset_of!(Self, checksum);
    /// Where the two ports lie, source first, from the start of the header.
    pub const PORTS: usize = offset_of!(Self, sport);

    /// Header length with options, in bytes.
    #[inline(always)]
    pub const fn header_len(&self) -> usize {
        ((self.offset >> 4) as usize) * 4
    }

    /// The control bits.
    #[inline(always)]
    pub const fn flags(&self) -> Flags {
        Flags(self.flags)
    }
}

const _: () = assert!(Tcp::MIN_LEN == 20 && Tcp::CHECKSUM == 16 && Tcp::PORTS == 0);

/// The control bits of a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromZeros)]
pub struct Flags(u8);

impl Flags {
    /// Those of a segment that acknowledges, and no more.
    pub const ACKNOWLEDGE: Self = Self(Self::ACK);
    /// The flags of a SYN that asks for a connection.
    pub const OPEN: Self = Self(Self::SYN);

    /// The flags of a RST that also acknowledges.
    pub const RESET: Self = Self(Self::RST | Self::ACK);

    const FIN: u8 = 0x01;
    const SYN: u8 = 0x02;
    const RST: u8 = 0x04;
    const ACK: u8 = 0x10;

    /// Whether the sender asks for a new connection: SYN and none of ACK, RST, FIN.
    #[inline(always)]
    pub const fn opens(self) -> bool {
        self.0 & (Self::SYN | Self::ACK | Self::RST | Self::FIN) == Self::SYN
    }

    /// Whether the sender accepts a connection: SYN and ACK, neither RST nor FIN.
    #[inline(always)]
    pub const fn accepts(self) -> bool {
        self.0 & (Self::SYN | Self::ACK | Self::RST | Self::FIN) == Self::SYN | Self::ACK
    }

    /// Whether the segment synchronizes sequence numbers.
    #[inline(always)]
    pub const fn syn(self) -> bool {
        self.0 & Self::SYN != 0
    }

    /// Whether the sender has no more data.
    #[inline(always)]
    pub const fn fin(self) -> bool {
        self.0 & Self::FIN != 0
    }

    /// Whether the sender aborts the connection.
    #[inline(always)]
    pub const fn rst(self) -> bool {
        self.0 & Self::RST != 0
    }

    /// Whether the acknowledgement number is valid.
    #[inline(always)]
    pub const fn ack(self) -> bool {
        self.0 & Self::ACK != 0
    }
}
