//! IPv6 (RFC 8200).

use core::mem::offset_of;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{
    addr::Addr,
    be::{Be16, Be32},
    packet::Packet,
    verdict::PassReason,
    wire::{
        Fragment,
        datagram::{self, Datagram},
    },
};

/// Headers between the fixed one and the segment that are looked past; RFC 8200 section 4.1 knows no
/// more kinds, and one of them may come twice.
const EXTENSIONS: u32 = 6;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION: u8 = 60;

/// The first word without the version.
const INFO: Be32 = Be32::new(0x0fff_ffff);

/// The fixed header.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Ipv6 {
    version_class_flow: Be32,
    payload_len: Be16,
    /// What the next header is.
    pub next: u8,
    hop_limit: u8,
    /// Source address.
    pub src: Addr,
    /// Destination address.
    pub dst: Addr,
}

/// The start of an extension header (RFC 8200 sections 4.3 to 4.6).
#[derive(Clone, Copy, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Extension {
    next: u8,
    /// In eight bytes, the first eight not counted; of a fragment header, always zero.
    len: u8,
    /// Of a routing header type and segments left, of a fragment header offset and flags.
    rest: Be16,
}

/// Bytes of a fragment header, and where its identification lies (RFC 8200 section 4.5).
const FRAGMENT_LEN: usize = 8;
const ID: usize = size_of::<Extension>();

impl Ipv6 {
    /// The header of a datagram of ours with `payload` bytes of the protocol `next`, which may take
    /// `hop_limit` hops.
    #[inline(always)]
    pub const fn new(src: Addr, dst: Addr, next: u8, payload: u16, hop_limit: u8) -> Self {
        let version_class_flow = Be32::new(6 << 28);
        Self { version_class_flow, payload_len: Be16::new(payload), next, hop_limit, src, dst }
    }

    /// Bytes the header takes.
    pub const LEN: usize = size_of::<Self>();
    /// Bits in the first word below the traffic class: those of the flow label.
    pub const CLASS_SHIFT: u32 = 20;
    /// Where the word lies whose second byte is the hop limit, from the start of the header.
    pub const HOP_LIMIT: usize = offset_of!(Self, next);
    /// Where the two addresses lie, source first, from the start of the header.
    pub const ADDRESSES: usize = offset_of!(Self, src);

    /// IP version; 6 in a valid header.
    #[inline(always)]
    pub const fn version(&self) -> u8 {
        (self.version_class_flow.get() >> 28) as u8
    }

    /// Traffic class and flow label, as `flowinfo` of the kernel has them.
    #[inline(always)]
    pub const fn info(&self) -> Be32 {
        self.version_class_flow.and(INFO)
    }

    /// Bytes behind the header, or 0 in a GSO packet that is too long for the field (kernel commit
    /// 0fe79f28bfaf, BIG TCP for IPv6).
    #[inline(always)]
    pub const fn payload_len(&self) -> usize {
        self.payload_len.get() as usize
    }

    /// Whether these are addresses that packets may have: not those that stand for IPv4 (RFC 4291 section
    /// 2.5.5.2), which would be taken for it.
    #[inline(always)]
    const fn has_addresses(&self) -> bool {
        !self.src.is_v4() && !self.dst.is_v4()
    }
}

const _: () = assert!(Ipv6::LEN == 40 && Ipv6::ADDRESSES == 8 && Ipv6::HOP_LIMIT == 6 && ID == 4);

/// Looks past the headers of the datagram at `l3`.
///
/// # Errors
/// Why it is not ours to touch.
#[inline(always)]
pub(super) fn read<P: Packet>(
    packet: &P,
    l3: usize,
    datagram: &mut Datagram,
) -> Result<(), PassReason> {
    let ip: Ipv6 = packet.peek(l3).ok_or(PassReason::Malformed)?;
    if ip.version() != 6 || !ip.has_addresses() {
        return Err(PassReason::Malformed);
    }
    let (mut next, mut at) = (ip.next, l3 + Ipv6::LEN);
    for _ in 0..EXTENSIONS {
        if !is_extension(next) || datagram.fragment.is_later() {
            break;
        }
        let header: Extension = packet.read(at).ok_or(PassReason::Malformed)?;
        match next {
            // The destination is not the last one.
            ROUTING if header.rest.get() & 0xff != 0 => return Err(PassReason::NotTcp),
            // There is but one (RFC 8200 section 4.1).
            FRAGMENT if datagram.fragment.is_part() => return Err(PassReason::NotTcp),
            FRAGMENT if header.rest.get() & !0b110 != 0 => {
                let id: Be32 = packet.read(at + ID).ok_or(PassReason::Malformed)?;
                datagram.fragment = Fragment {
                    offset: header.rest.get() & !0b111,
                    more: header.rest.get() & 1,
                    id: id.get(),
                    id_at: at + ID,
                };
                at += FRAGMENT_LEN;
            }
            // One that is whole all the same is none (RFC 6946).
            FRAGMENT => at += FRAGMENT_LEN,
            _ => at += 8 * (header.len as usize + 1),
        }
        next = header.next;
    }
    datagram.src = ip.src;
    datagram.dst = ip.dst;
    datagram.protocol = next;
    datagram.hops = ip.hop_limit;
    datagram.l4 = at;
    datagram.end = datagram::end(packet, l3 + Ipv6::LEN, ip.payload_len());
    Ok(())
}

/// Whether this is the number of an extension header rather than of a protocol above.
#[inline(always)]
pub(super) const fn is_extension(next: u8) -> bool {
    matches!(next, HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION)
}
