//! IPv4 (RFC 791 section 3.1).

use core::mem::offset_of;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{
    addr::{Addr, Addr4},
    be::Be16,
    checksum::Sum,
    packet::Packet,
    verdict::PassReason,
    wire::{
        Fragment,
        datagram::{self, Datagram},
    },
};

/// Protocol number of TCP.
pub const TCP: u8 = 6;

/// Protocol number of UDP.
pub const UDP: u8 = 17;

/// The "more fragments" bit of the fragment word.
const MORE_FRAGMENTS: u16 = 0x2000;

/// The rest of the word but for "don't fragment" and the reserved bit: where the fragment begins, in eight bytes.
const OFFSET: u16 = 0x1fff;

/// The "don't fragment" bit.
const DONT_FRAGMENT: u16 = 0x4000;

/// An IPv4 header without its options.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Ipv4 {
    version_ihl: u8,
    /// Type of service: DSCP and ECN (RFC 2474, RFC 3168).
    pub tos: u8,
    total_len: Be16,
    id: Be16,
    fragment: Be16,
    ttl: u8,
    /// Number of the protocol above.
    pub protocol: u8,
    checksum: Be16,
    src: Addr4,
    dst: Addr4,
}

impl Ipv4 {
    /// The header of an unfragmented datagram of `total_len` bytes with a TCP segment of ours, which may take
    /// `hops`.
    #[inline(always)]
    pub fn of_tcp(src: Addr, dst: Addr, total_len: u16, hops: u8) -> Self {
        Self::of(TCP, src, dst, total_len, hops)
    }

    /// The same with a segment of another protocol.
    #[inline(always)]
    pub fn of(protocol: u8, src: Addr, dst: Addr, total_len: u16, hops: u8) -> Self {
        let header = Self {
            version_ihl: 0x45,
            tos: 0,
            total_len: Be16::new(total_len),
            // Nothing that is not fragmented needs an identification (RFC 6864).
            id: Be16::new(0),
            fragment: Be16::new(DONT_FRAGMENT),
            ttl: hops,
            protocol,
            checksum: Be16::new(0),
            src: src.to_v4(),
            dst: dst.to_v4(),
        };
        let words: [u32; 5] = zerocopy::transmute!(header);
        let sum = words.iter().fold(Sum::ZERO, |sum, word| sum.add32(*word));
        Self { checksum: Be16::from_raw(!sum.fold()), ..header }
    }

    /// Bytes the header takes without options.
    pub const MIN_LEN: usize = size_of::<Self>();
    /// Where the checksum lies, from the start of the header.
    pub const CHECKSUM: usize = offset_of!(Self, checksum);
    /// Where the identification lies, from the start of the header.
    pub const ID: usize = offset_of!(Self, id);
    /// Where the word lies whose first byte is the TTL, from the start of the header.
    pub const TTL: usize = offset_of!(Self, ttl);
    /// Where the two addresses lie, source first, from the start of the header.
    pub const ADDRESSES: usize = offset_of!(Self, src);

    /// What lies from the checksum, a word as it lies in memory, to the end of the addresses, source first.
    #[inline(always)]
    pub(crate) fn tail(checksum: u16, ends: [Addr4; 2]) -> [u16; 5] {
        let [a, b, c, d]: [u16; 4] = zerocopy::transmute!(ends);
        [checksum, a, b, c, d]
    }

    /// IP version; 4 in a valid header.
    #[inline(always)]
    pub const fn version(&self) -> u8 {
        self.version_ihl >> 4
    }

    /// Header length with options, in bytes.
    #[inline(always)]
    pub const fn header_len(&self) -> usize {
        ((self.version_ihl & 0x0f) as usize) * 4
    }

    /// Length of the whole datagram in bytes, or 0 in a GSO packet that is too
    /// long for the field (kernel commit b1a78b9b9886, BIG TCP for IPv4).
    #[inline(always)]
    pub const fn total_len(&self) -> usize {
        self.total_len.get() as usize
    }

    /// Source address.
    #[inline(always)]
    pub const fn src(&self) -> Addr {
        Addr::v4(self.src)
    }

    /// Destination address.
    #[inline(always)]
    pub const fn dst(&self) -> Addr {
        Addr::v4(self.dst)
    }

    /// Which part of its datagram the packet holds whose header this is, at `l3` of the frame.
    #[inline(always)]
    const fn fragment(&self, l3: usize) -> Fragment {
        let word = self.fragment.get();
        Fragment {
            offset: (word & OFFSET) << 3,
            more: (word & MORE_FRAGMENTS != 0) as u16,
            id: self.id.get() as u32,
            id_at: l3 + Self::ID,
        }
    }
}

/// Looks past the header of the datagram at `l3`.
///
/// # Errors
/// Why it is not ours to touch.
#[inline(always)]
pub(super) fn read<P: Packet>(
    packet: &P,
    l3: usize,
    datagram: &mut Datagram,
) -> Result<(), PassReason> {
    let ip: Ipv4 = packet.peek(l3).ok_or(PassReason::Malformed)?;
    let header = ip.header_len();
    if ip.version() != 4 || header < Ipv4::MIN_LEN {
        return Err(PassReason::Malformed);
    }
    datagram.src = ip.src();
    datagram.dst = ip.dst();
    datagram.protocol = ip.protocol;
    datagram.fragment = ip.fragment(l3);
    datagram.hops = ip.ttl;
    datagram.l4 = l3 + header;
    datagram.end = datagram::end(packet, l3, ip.total_len());
    Ok(())
}

const _: () =
    assert!(Ipv4::MIN_LEN == 20 && Ipv4::ADDRESSES == Ipv4::CHECKSUM + 2 && Ipv4::TTL == 8);
