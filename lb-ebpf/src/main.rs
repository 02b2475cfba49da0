//! The BPF programs: a thin shell around `lb-common`.
//!
//! [`maps`] supplies the tables, [`packet`] and [`xdp`] the packet, by way of [`words`]; they hold the only unsafe code of
//! the datapath. Each program is an entry point that turns a decision into what the
//! kernel wants to hear.

#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod apart;
mod atomic;
mod maps;
mod object;
mod outer;
mod packet;
mod reap;
mod route;
mod words;
mod xdp;

use aya_ebpf::{
    bindings::{TC_ACT_SHOT, TC_ACT_UNSPEC, xdp_action},
    macros::{classifier, xdp},
    programs::{TcContext, XdpContext},
};
use aya_log_ebpf::warn;
use lb_common::{
    counter::Xdp,
    forward::{Early, connect, early, established, finish},
    probe,
    state::Continuation,
    tables::Tables as _,
    verdict::{DropReason, Verdict},
};

use crate::{maps::KernelTables, packet::Skb, xdp::XdpFrame};

/// Balances frames that come in on a VIP's device (TC ingress).
#[classifier]
pub fn qlb_ingress(ctx: TcContext) -> i32 {
    let tables = KernelTables::for_frame(&ctx);
    let mut skb = Skb::<true>::new(ctx);
    match established(&mut skb, &tables) {
        Ok(Some(verdict)) => conclude(&skb, &tables, Ok(verdict)),
        Ok(None) => {
            maps::continue_with(skb.context(), Continuation::Connect);
            // There is no such program: the loader did not finish.
            conclude(&skb, &tables, Err(DropReason::Inconsistent))
        }
        Err(reason) => conclude(&skb, &tables, Err(reason)),
    }
}

/// Goes on where [`qlb_ingress`] leaves off (a tail call), with a stack of its own.
#[classifier]
pub fn qlb_connect(ctx: TcContext) -> i32 {
    let tables = KernelTables::for_frame(&ctx);
    let mut skb = Skb::<false>::new(ctx);
    match connect(&mut skb, &tables) {
        Ok(Some(verdict)) => conclude(&skb, &tables, Ok(verdict)),
        Ok(None) => {
            maps::continue_with(skb.context(), Continuation::Report);
            conclude(&skb, &tables, Err(DropReason::Inconsistent))
        }
        Err(reason) => conclude(&skb, &tables, Err(reason)),
    }
}

/// Goes on where [`qlb_connect`] leaves off: ICMP errors about connections, and SYNs on open ones.
#[classifier]
pub fn qlb_report(ctx: TcContext) -> i32 {
    let tables = KernelTables::for_frame(&ctx);
    let mut skb = Skb::<false>::new(ctx);
    let outcome = finish(&mut skb, &tables);
    conclude(&skb, &tables, outcome)
}

/// From what was decided to what the kernel wants to hear.
#[inline(always)]
fn conclude<const PEEKS: bool>(
    skb: &Skb<PEEKS>,
    tables: &KernelTables,
    outcome: Result<Verdict, DropReason>,
) -> i32 {
    tables.count(outcome.into());
    match outcome {
        Ok(Verdict::Forward(_)) => skb.send_back(),
        // Other programs on this hook, then the stack, get what is not ours. A refused SYN
        // finds no socket there, and the stack answers it with RST.
        Ok(Verdict::Pass(_) | Verdict::Refuse(_)) => TC_ACT_UNSPEC,
        Err(reason) => {
            if reason.is_fault() {
                warn!(skb.context(), "dropped a packet: reason {}", reason.number());
            }
            TC_ACT_SHOT
        }
    }
}

/// Walks conntrack once, ends what has expired and removes what is over. Run by the controller
/// (BPF_PROG_TEST_RUN), never attached, with a frame addressed to the VIP's device: RSTs come in
/// there as copies of it. Where devices share conntrack, the frame's control block says which of them a walk is for
/// ([`lb_common::state::Walk`]). Returns how many connections were left for another walk, and in the frame's mark how
/// many entries there were.
#[classifier]
pub fn qlb_reap(ctx: TcContext) -> i32 {
    reap::sweep(&ctx) as i32
}

/// Says what would become of the frame, a client's SYN with padding behind it, and why, in place of the
/// padding; changes nothing else. Run by whoever wants to know (BPF_PROG_TEST_RUN), never attached.
#[classifier]
pub fn qlb_route(ctx: TcContext) -> i32 {
    route::ask(ctx)
}

/// Stands in front of [`qlb_ingress`] where the device's driver runs XDP programs: forwards what is surely right, and
/// leaves the rest to it.
#[xdp(frags)]
pub fn qlb_early(ctx: XdpContext) -> u32 {
    let mut frame = XdpFrame::new(ctx);
    let outcome =
        early(&mut frame, &KernelTables::ALONE, XdpFrame::confirm(), |frame, hop| frame.find(hop));
    match outcome {
        Ok(Early::Forward(direction)) => {
            KernelTables::ALONE.count(Ok(Verdict::Forward(direction)).into());
            KernelTables::ALONE.count(Xdp::Forwarded.into());
            frame.send_back()
        }
        Ok(Early::PassOn(why)) => {
            KernelTables::ALONE.count(why.into());
            xdp_action::XDP_PASS
        }
        Err(reason) => {
            KernelTables::ALONE.count(Err(reason).into());
            warn!(frame.context(), "dropped a packet: reason {}", reason.number());
            xdp_action::XDP_DROP
        }
    }
}

/// Rewrites a probe and sends it out of the device it came in on. Run by the controller (BPF_PROG_TEST_RUN), never
/// attached. Returns zero when it is sent, one when the device did not take it.
#[classifier]
pub fn qlb_probe(ctx: TcContext) -> i32 {
    let mut skb = Skb::<false>::new(ctx);
    match probe::rewrite(&mut skb) {
        Ok(()) => i32::from(skb.send_copy().is_err()),
        Err(_) => TC_ACT_SHOT,
    }
}

/// The same by the way of [`qlb_early`].
#[xdp(frags)]
pub fn qlb_early_probe(ctx: XdpContext) -> u32 {
    let mut frame = XdpFrame::new(ctx);
    match probe::rewrite(&mut frame) {
        Ok(()) => frame.send_back(),
        Err(_) => xdp_action::XDP_ABORTED,
    }
}
