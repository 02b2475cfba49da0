//! The packet: a socket buffer at the TC hook.

use core::mem::MaybeUninit;

use aya_ebpf::{
    EbpfContext as _,
    bindings::{
        BPF_F_INGRESS, BPF_F_PSEUDO_HDR, BPF_F_RECOMPUTE_CSUM, TC_ACT_REDIRECT, bpf_redir_neigh,
        bpf_redir_neigh__bindgen_ty_1 as Hop,
    },
    helpers::{
        bpf_clone_redirect, bpf_l3_csum_replace, bpf_l4_csum_replace, bpf_redirect,
        bpf_redirect_neigh, bpf_skb_change_tail, bpf_skb_load_bytes, bpf_skb_store_bytes,
    },
    programs::TcContext,
};
use lb_common::{
    addr::Addr,
    packet::{EditError, Packet},
};
use zerocopy::{FromBytes, Immutable, IntoBytes, transmute};

use crate::words;

/// `PACKET_HOST` of linux/if_packet.h.
const PACKET_HOST: u32 = 0;

/// `AF_INET` and `AF_INET6` of linux/socket.h.
pub(crate) const AF_INET: u8 = 2;
pub(crate) const AF_INET6: u8 = 10;

/// Where headers begin at the latest, in bytes, of which there can be more in frames that only look like that.
const HEADERS: usize = 2048;

/// A socket buffer, possibly a GSO packet with a checksum still to be computed.
///
/// The kernel's checksum helpers know the state of the checksum and do the right thing for
/// each; that is why the bytes are never edited directly. Those of headers may be read directly, which is worth its
/// instructions where most packets come by (`PEEKS`). At the TC hook of frames that leave, the kernel's word for whom they are
/// for is of where they came in (`LEAVES`).
pub(crate) struct Skb<const PEEKS: bool = false, const LEAVES: bool = false> {
    ctx: TcContext,
    /// Whether the kernel knows the next hop already.
    has_next_hop: bool,
}

impl<const PEEKS: bool, const LEAVES: bool> Skb<PEEKS, LEAVES> {
    pub(crate) fn new(ctx: TcContext) -> Self {
        Self { ctx, has_next_hop: false }
    }

    /// Index of the device that it came in on.
    #[inline(always)]
    fn device(&self) -> u32 {
        // SAFETY: the context is valid for the run of the program.
        unsafe { (*self.ctx.skb.skb).ifindex }
    }

    /// What the logger wants to see.
    pub(crate) fn context(&self) -> &TcContext {
        &self.ctx
    }

    /// Sends the packet out of the device it came in on, to the next hop that the
    /// namespace's routing and neighbour tables give for its new destination; an unknown
    /// neighbour is resolved while the packet waits.
    pub(crate) fn send_back(&self) -> i32 {
        if self.has_next_hop {
            return TC_ACT_REDIRECT;
        }
        // SAFETY: no parameters are passed, so there is nothing to be valid.
        unsafe { bpf_redirect_neigh(self.device(), core::ptr::null_mut(), 0, 0) as i32 }
    }

    /// Lets the device receive the packet that was to leave by it.
    pub(crate) fn turn_round(&self) -> i32 {
        // SAFETY: takes numbers only.
        unsafe { bpf_redirect(self.device(), BPF_F_INGRESS.into()) as i32 }
    }

    /// Writes the packet's mark, which the controller of a test run reads.
    pub(crate) fn set_mark(&self, mark: u32) {
        self.ctx.set_mark(mark);
    }

    /// Lets the packet's device receive a copy of it.
    pub(crate) fn receive_copy(&mut self) -> Result<(), EditError> {
        // SAFETY: takes the context and numbers only.
        done(unsafe { bpf_clone_redirect(self.ctx.skb.skb, self.device(), BPF_F_INGRESS.into()) })
    }

    /// Sends a copy of the packet out of its device as it is, MAC addresses included.
    pub(crate) fn send_copy(&mut self) -> Result<(), EditError> {
        // SAFETY: takes the context and numbers only.
        done(unsafe { bpf_clone_redirect(self.ctx.skb.skb, self.device(), 0) })
    }

    /// Where the `T` at `offset` lies, if all of it does in the first piece of the packet, as headers nearly always do.
    #[inline(always)]
    fn at<T>(&self, offset: usize) -> Option<*const T> {
        // The verifier wants to see an end to numbers that have lain in a map, and does not see that a byte lies
        // before the end of the packet if it is only said to begin there.
        if offset > HEADERS || size_of::<T>() == 1 {
            return None;
        }
        let start = self.ctx.data() + offset;
        (start + size_of::<T>() <= self.ctx.data_end()).then_some(start as *const T)
    }

    #[inline(always)]
    fn store<T: IntoBytes + Immutable>(
        &mut self,
        offset: usize,
        value: &T,
        flags: u64,
    ) -> Result<(), EditError> {
        // SAFETY: the value is readable for its own size; the helper checks the offset.
        let result = unsafe {
            bpf_skb_store_bytes(
                self.ctx.as_ptr().cast(),
                offset as u32,
                core::ptr::from_ref(value).cast(),
                size_of::<T>() as u32,
                flags,
            )
        };
        done(result)
    }

    fn correct_l4_with(&mut self, offset: usize, delta: u16, flags: u64) -> Result<(), EditError> {
        // SAFETY: the helper checks the offset against the packet.
        let result = unsafe {
            bpf_l4_csum_replace(self.ctx.skb.skb.cast(), offset as u32, 0, delta.into(), flags)
        };
        done(result)
    }
}

impl<const PEEKS: bool, const LEAVES: bool> Packet for Skb<PEEKS, LEAVES> {
    #[inline(always)]
    fn len(&self) -> usize {
        self.ctx.len() as usize
    }

    #[inline(always)]
    fn is_for_host(&self) -> bool {
        // SAFETY: the context is valid for the run of the program.
        LEAVES || unsafe { (*self.ctx.skb.skb).pkt_type == PACKET_HOST }
    }

    #[inline(always)]
    fn has_vlan_tag(&self) -> bool {
        // SAFETY: the context is valid for the run of the program.
        unsafe { (*self.ctx.skb.skb).vlan_present != 0 }
    }

    #[inline(always)]
    fn read<T: FromBytes>(&self, offset: usize) -> Option<T> {
        let mut value = MaybeUninit::<T>::uninit();
        // SAFETY: the buffer is as large as said; the helper fills all of it or fails.
        let result = unsafe {
            bpf_skb_load_bytes(
                self.ctx.as_ptr().cast(),
                offset as u32,
                value.as_mut_ptr().cast(),
                size_of::<T>() as u32,
            )
        };
        // SAFETY: on success every byte was written, and any bytes are a valid `T` (FromBytes).
        (result == 0).then(|| unsafe { value.assume_init() })
    }

    #[inline(always)]
    fn peek<T: FromBytes>(&self, offset: usize) -> Option<T> {
        let place = if PEEKS { self.at::<T>(offset) } else { None };
        // Calling the kernel for each header takes longer than all that is done with them.
        match place {
            // SAFETY: that piece holds all of it.
            Some(value) => Some(unsafe { words::read(value) }),
            None => self.read(offset),
        }
    }

    #[inline(always)]
    fn write<T: IntoBytes + Immutable>(
        &mut self,
        offset: usize,
        value: &T,
    ) -> Result<(), EditError> {
        self.store(offset, value, 0)
    }

    #[inline(always)]
    fn write_summed<T: IntoBytes + Immutable>(
        &mut self,
        offset: usize,
        value: &T,
    ) -> Result<(), EditError> {
        self.store(offset, value, BPF_F_RECOMPUTE_CSUM.into())
    }

    #[inline(always)]
    fn set_next_hop(&mut self, hop: &Addr) -> Result<(), EditError> {
        self.has_next_hop = redirect_to(self.device(), hop);
        if self.has_next_hop { Ok(()) } else { Err(EditError) }
    }

    #[inline(always)]
    fn resize(&mut self, len: usize) -> Result<(), EditError> {
        // SAFETY: takes the context and numbers only.
        done(unsafe { bpf_skb_change_tail(self.ctx.skb.skb, len as u32, 0) })
    }

    #[inline(always)]
    fn leaves_checksum(&mut self, offset: usize) -> bool {
        // The helper ignores changes that only the device would have to sum up; so whether it does
        // anything tells. Any difference but zero will do.
        const FIELD: u16 = 0x1234;
        let leaves = self.write_summed(offset, &FIELD).is_ok()
            && self.correct_l4(offset, 1).is_ok()
            && self.read(offset) == Some(FIELD);
        // The device's sum knows this value. Where the frame has no room for it there is nothing to undo.
        let _ = self.write(offset, &FIELD);
        leaves
    }

    #[inline(always)]
    fn correct_l3(&mut self, offset: usize, delta: u16) -> Result<(), EditError> {
        // SAFETY: the helper checks the offset against the packet.
        let result = unsafe {
            bpf_l3_csum_replace(self.ctx.as_ptr().cast(), offset as u32, 0, delta.into(), 0)
        };
        done(result)
    }

    #[inline(always)]
    fn correct_l4_pseudo(&mut self, offset: usize, delta: u16) -> Result<(), EditError> {
        self.correct_l4_with(offset, delta, BPF_F_PSEUDO_HDR.into())
    }

    #[inline(always)]
    fn correct_l4(&mut self, offset: usize, delta: u16) -> Result<(), EditError> {
        self.correct_l4_with(offset, delta, 0)
    }
}

/// Makes the kernel send the packet by way of this neighbour when the program says so
/// (`TC_ACT_REDIRECT`). Has the BPF stack for itself as long as it takes.
#[inline(never)]
fn redirect_to(ifindex: u32, hop: &Addr) -> bool {
    let (nh_family, __bindgen_anon_1) = if hop.is_v4() {
        (AF_INET.into(), Hop { ipv4_nh: hop.to_v4().raw() })
    } else {
        (AF_INET6.into(), Hop { ipv6_nh: transmute!(*hop) })
    };
    let mut to = bpf_redir_neigh { nh_family, __bindgen_anon_1 };
    // SAFETY: the parameters are readable for their own size.
    let said = unsafe { bpf_redirect_neigh(ifindex, &raw mut to, size_of_val(&to) as i32, 0) };
    said == TC_ACT_REDIRECT.into()
}

#[inline(always)]
fn done(result: i64) -> Result<(), EditError> {
    if result == 0 { Ok(()) } else { Err(EditError) }
}
