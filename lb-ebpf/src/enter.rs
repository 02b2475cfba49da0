//! The programs on a device that shares its programs and maps with other devices: each says which device it is, and goes on
//! with the shared one.
//!
//! An object of its own, because it is loaded for each device, and all the others once.

#![no_std]
#![no_main]

mod object;

use aya_ebpf::{
    bindings::TC_ACT_UNSPEC,
    btf_maps::ProgramArray,
    macros::{btf_map, classifier},
    programs::TcContext,
};
use lb_common::state::{Continuation, PROGRAM_PLACES};

/// Zone of the device; set at load.
#[unsafe(no_mangle)]
static ZONE: u32 = 0;

/// That of the object with the other programs, whose loader has filled it.
#[btf_map]
static PROGRAMS: ProgramArray<{ PROGRAM_PLACES as usize }> = ProgramArray::new();

/// Passes a frame on to `qlb_ingress` with the zone of its device (TC ingress).
#[classifier]
pub fn qlb_enter(ctx: TcContext) -> i32 {
    go_on(&ctx, Continuation::Ingress)
}

/// The same to `qlb_outer` (TC egress of the device's outer end).
#[classifier]
pub fn qlb_enter_outer(ctx: TcContext) -> i32 {
    go_on(&ctx, Continuation::Outer)
}

/// The same to `qlb_learn` (TC egress).
#[classifier]
pub fn qlb_enter_learn(ctx: TcContext) -> i32 {
    go_on(&ctx, Continuation::Learn)
}

#[inline(always)]
fn go_on(ctx: &TcContext, next: Continuation) -> i32 {
    // SAFETY: a read of a constant that the loader wrote before the program was loaded; volatile so that the compiler
    // does not take the initial value for granted. The context is valid for the run of the program.
    unsafe {
        let zone = core::ptr::read_volatile(&raw const ZONE);
        (*ctx.skb.skb).cb[0] = zone;
        PROGRAMS.tail_call(ctx, next as u32);
    }
    // There is no such program any more: nobody is served here.
    TC_ACT_UNSPEC
}
