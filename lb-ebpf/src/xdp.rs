//! The packet before it has a socket buffer: a frame at the XDP hook.

use core::mem::zeroed;

use aya_ebpf::{
    EbpfContext as _,
    bindings::{
        BPF_FIB_LKUP_RET_FRAG_NEEDED, BPF_FIB_LKUP_RET_NO_NEIGH, BPF_FIB_LKUP_RET_SUCCESS,
        BPF_FIB_LOOKUP_OUTPUT, bpf_fib_lookup as FibLookup, xdp_action,
    },
    helpers::{bpf_fib_lookup, bpf_redirect},
    programs::XdpContext,
};
use lb_common::{
    addr::Addr,
    checksum,
    counter::Xdp,
    forward::Hop,
    packet::{EditError, Packet},
    wire::{
        eth::{self, Ethernet},
        ipv4,
        ipv6::Ipv6,
    },
};
use zerocopy::{FromBytes, Immutable, IntoBytes, transmute};

use crate::packet::{AF_INET, AF_INET6};
use crate::words;

/// Whether frames leave by a redirect to their own device and not by XDP_TX; set at load.
///
/// A veth that gets frames by XDP_TX has its peer read them only if that has an XDP program, too; a redirect is
/// read by any peer that polls (NAPI).
#[unsafe(no_mangle)]
static XDP_REDIRECTS: u32 = 0;

/// Binary logarithm of the nanoseconds in which each direction of a connection passes on a packet; set at load.
#[unsafe(no_mangle)]
static XDP_CONFIRM: u32 = 30;

/// A frame, in the device's own memory. Nobody has looked at its checksum and nobody knows who was to compute it.
pub(crate) struct XdpFrame {
    ctx: XdpContext,
}

impl XdpFrame {
    pub(crate) fn new(ctx: XdpContext) -> Self {
        Self { ctx }
    }

    /// What the logger wants to see.
    pub(crate) fn context(&self) -> &XdpContext {
        &self.ctx
    }

    /// How often neighbours are to be confirmed.
    #[inline(always)]
    pub(crate) fn confirm() -> u32 {
        // SAFETY: a read of a constant that the loader wrote before the program was loaded; volatile so that
        // the compiler does not take the initial value for granted.
        unsafe { core::ptr::read_volatile(&raw const XDP_CONFIRM) }
    }

    /// Sends the frame out of the device it came in on.
    #[inline(always)]
    pub(crate) fn send_back(&self) -> u32 {
        // SAFETY: as above.
        if unsafe { core::ptr::read_volatile(&raw const XDP_REDIRECTS) } == 0 {
            return xdp_action::XDP_TX;
        }
        // SAFETY: takes numbers only.
        unsafe { bpf_redirect(self.device(), 0) as u32 }
    }

    /// Looks for the next hop as `bpf_redirect_neigh` does: by the output route of the device, and with the packet's
    /// hops left as they are.
    #[inline(always)]
    pub(crate) fn find(&self, hop: &Hop<'_>) -> Result<Ethernet, Xdp> {
        // SAFETY: plain numbers; zero is one of each.
        let mut query: FibLookup = unsafe { zeroed() };
        let to = &hop.rewrite.to;
        query.l4_protocol = ipv4::TCP;
        query.sport = transmute!(to.sport);
        query.dport = transmute!(to.dport);
        query.__bindgen_anon_1.tot_len = hop.len;
        let ethertype = if to.src.is_v4() {
            query.family = AF_INET;
            query.__bindgen_anon_2.tos = (hop.info.get() >> Ipv6::CLASS_SHIFT) as u8;
            query.__bindgen_anon_3.ipv4_src = transmute!(to.src.to_v4());
            query.__bindgen_anon_4.ipv4_dst = transmute!(to.dst.to_v4());
            eth::IPV4
        } else {
            query.family = AF_INET6;
            query.__bindgen_anon_2.flowinfo = transmute!(hop.info);
            query.__bindgen_anon_3.ipv6_src = transmute!(to.src);
            query.__bindgen_anon_4.ipv6_dst = transmute!(to.dst);
            eth::IPV6
        };
        query.ifindex = self.device();
        // SAFETY: the query is as large as said and valid for the call.
        let found = unsafe {
            bpf_fib_lookup(
                self.ctx.as_ptr(),
                &raw mut query,
                size_of::<FibLookup>() as i32,
                BPF_FIB_LOOKUP_OUTPUT,
            )
        };
        match u32::try_from(found) {
            Ok(BPF_FIB_LKUP_RET_SUCCESS) if query.ifindex == self.device() => {}
            Ok(BPF_FIB_LKUP_RET_NO_NEIGH) => return Err(Xdp::NoNeighbour),
            Ok(BPF_FIB_LKUP_RET_FRAG_NEEDED) => return Err(Xdp::TooLong),
            _ => return Err(Xdp::NoRoute),
        }
        Ok(Ethernet { dst: query.dmac, src: query.smac, ethertype: ethertype.into() })
    }

    #[inline(always)]
    fn device(&self) -> u32 {
        // SAFETY: the context is valid for the run of the program.
        unsafe { (*self.ctx.ctx).ingress_ifindex }
    }

    /// Where the `T` at `offset` lies, if all of it does. Of a frame in several pieces, only the first is looked at.
    #[inline(always)]
    fn at<T>(&self, offset: usize) -> Option<*mut T> {
        let start = self.ctx.data() + offset;
        (start + size_of::<T>() <= self.ctx.data_end()).then_some(start as *mut T)
    }

    #[inline(always)]
    fn correct(&mut self, offset: usize, delta: u16) -> Result<(), EditError> {
        let field: u16 = self.read(offset).ok_or(EditError)?;
        self.write(offset, &checksum::apply(field, delta))
    }
}

impl Packet for XdpFrame {
    #[inline(always)]
    fn len(&self) -> usize {
        self.ctx.data_end() - self.ctx.data()
    }

    #[inline(always)]
    fn is_for_host(&self) -> bool {
        // Nobody has compared yet.
        true
    }

    #[inline(always)]
    fn has_vlan_tag(&self) -> bool {
        // A device that takes tags off is not served by this hook: they cannot be seen here.
        false
    }

    #[inline(always)]
    fn read<T: FromBytes>(&self, offset: usize) -> Option<T> {
        // SAFETY: the frame holds all of it.
        self.at::<T>(offset).map(|value| unsafe { words::read(value) })
    }

    #[inline(always)]
    fn write<T: IntoBytes + Immutable>(
        &mut self,
        offset: usize,
        value: &T,
    ) -> Result<(), EditError> {
        let place = self.at::<T>(offset).ok_or(EditError)?;
        // SAFETY: the frame has room for all of it, and is this program's alone. The value is copied byte by
        // byte as it lies (IntoBytes).
        unsafe { place.write_unaligned(core::ptr::read(value)) };
        Ok(())
    }

    #[inline(always)]
    fn set_next_hop(&mut self, _hop: &Addr) -> Result<(), EditError> {
        Err(EditError)
    }

    #[inline(always)]
    fn resize(&mut self, _len: usize) -> Result<(), EditError> {
        Err(EditError)
    }

    #[inline(always)]
    fn leaves_checksum(&mut self, _offset: usize) -> bool {
        false
    }

    #[inline(always)]
    fn correct_l3(&mut self, offset: usize, delta: u16) -> Result<(), EditError> {
        self.correct(offset, delta)
    }

    #[inline(always)]
    fn correct_l4_pseudo(&mut self, offset: usize, delta: u16) -> Result<(), EditError> {
        self.correct(offset, delta)
    }

    #[inline(always)]
    fn correct_l4(&mut self, offset: usize, delta: u16) -> Result<(), EditError> {
        self.correct(offset, delta)
    }
}
