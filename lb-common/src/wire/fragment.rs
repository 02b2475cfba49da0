//! Parts of a datagram that was cut on its way (RFC 791 section 3.2, RFC 8200 section 4.5).

use zerocopy::FromZeros;

/// Which part of its datagram a packet holds. All zero in one that holds the whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromZeros)]
pub struct Fragment {
    /// Where the part begins in what was cut, in bytes.
    pub offset: u16,
    /// Whether another part comes behind it: zero or one.
    pub more: u16,
    /// The datagram's identification in host order; 16 bits of it in IPv4.
    pub id: u32,
    /// Where that lies, in bytes from the start of the frame.
    pub id_at: usize,
}

impl Fragment {
    /// Whether the packet holds a part only.
    #[inline(always)]
    pub const fn is_part(&self) -> bool {
        self.offset as u32 | self.more as u32 != 0
    }

    /// Whether that is the first one, with the header of the protocol above.
    #[inline(always)]
    pub const fn is_first(&self) -> bool {
        self.offset == 0 && self.more != 0
    }

    /// Whether it is any other one.
    #[inline(always)]
    pub const fn is_later(&self) -> bool {
        self.offset != 0
    }
}
