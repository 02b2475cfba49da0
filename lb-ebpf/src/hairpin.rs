//! The least that a program on the VIP's device can do and still be in its place: `cargo xtask bench` measures the limit of
//! the topology with it. It is no part of qlb.
//!
//! It has no state and decides nothing: segments of the one client go to a member by the port's lowest bit, segments of
//! members go to the client, both from the VIP, to MAC addresses that were set at load. Ports stay. IPv4 without options;
//! everything else passes.

#![no_std]
#![no_main]

mod object;

use aya_ebpf::{
    bindings::{BPF_F_PSEUDO_HDR, TC_ACT_UNSPEC},
    helpers::{bpf_csum_diff, bpf_redirect},
    macros::classifier,
    programs::TcContext,
};

/// Addresses as they are on the wire; set at load.
#[unsafe(no_mangle)]
static VIP: u32 = 0;
#[unsafe(no_mangle)]
static CLIENT: u32 = 0;
#[unsafe(no_mangle)]
static EVEN: u32 = 0;
#[unsafe(no_mangle)]
static ODD: u32 = 0;
/// MAC addresses in the first six bytes.
#[unsafe(no_mangle)]
static CLIENT_MAC: u64 = 0;
#[unsafe(no_mangle)]
static EVEN_MAC: u64 = 0;
#[unsafe(no_mangle)]
static ODD_MAC: u64 = 0;
/// All connections to this port, in the machine's byte order, are of the member of even ports.
#[unsafe(no_mangle)]
static BULK: u32 = 0;

/// EtherType, protocol and checksums of IPv4 and TCP behind an Ethernet header.
const ETHER_TYPE: usize = 12;
const VERSION: usize = 14;
const FRAGMENT: usize = 20;
const PROTOCOL: usize = 23;
const IP_CHECKSUM: usize = 24;
const ADDRESSES: usize = 26;
const SOURCE_PORT: usize = 34;
const DESTINATION_PORT: usize = 36;
const TCP_CHECKSUM: usize = 50;

macro_rules! constant {
    ($name:ident) => {
        // SAFETY: a read of a constant that the loader wrote before the program was loaded; volatile so that the
        // compiler does not take the initial value for granted.
        unsafe { core::ptr::read_volatile(&raw const $name) }
    };
}

/// Rewrites a segment and sends it back by the device it came from (TC ingress).
#[classifier]
pub fn hairpin(mut ctx: TcContext) -> i32 {
    turn(&mut ctx).unwrap_or(TC_ACT_UNSPEC)
}

fn turn(ctx: &mut TcContext) -> Option<i32> {
    let ether_type: u16 = ctx.load(ETHER_TYPE).ok()?;
    let version: u8 = ctx.load(VERSION).ok()?;
    let fragment: u16 = ctx.load(FRAGMENT).ok()?;
    let protocol: u8 = ctx.load(PROTOCOL).ok()?;
    let unfragmented = u16::from_be(fragment) & 0x3fff == 0;
    if (ether_type, version, protocol) != (0x0800_u16.to_be(), 0x45, 6) || !unfragmented {
        return None;
    }
    let mut before: [u32; 2] = ctx.load(ADDRESSES).ok()?;
    let vip = constant!(VIP);
    if before[1] != vip {
        return None;
    }
    let (to, mac) = if before[0] == constant!(CLIENT) {
        let source: u16 = ctx.load(SOURCE_PORT).ok()?;
        let destination: u16 = ctx.load(DESTINATION_PORT).ok()?;
        let bulk = u32::from(u16::from_be(destination)) == constant!(BULK);
        match !bulk && u16::from_be(source) & 1 == 1 {
            true => (constant!(ODD), constant!(ODD_MAC)),
            false => (constant!(EVEN), constant!(EVEN_MAC)),
        }
    } else if before[0] == constant!(EVEN) || before[0] == constant!(ODD) {
        (constant!(CLIENT), constant!(CLIENT_MAC))
    } else {
        return None;
    };
    let mut after = [vip, to];
    let own: [u8; 6] = ctx.load(0).ok()?;
    // SAFETY: both are eight bytes that outlive the call.
    let change = unsafe { bpf_csum_diff(before.as_mut_ptr(), 8, after.as_mut_ptr(), 8, 0) };
    let change = u64::try_from(change).ok()?;
    ctx.l3_csum_replace(IP_CHECKSUM, 0, change, 0).ok()?;
    ctx.l4_csum_replace(TCP_CHECKSUM, 0, change, BPF_F_PSEUDO_HDR.into()).ok()?;
    ctx.store(ADDRESSES, &after, 0).ok()?;
    let mac = mac.to_ne_bytes();
    ctx.store(0, &[mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]], 0).ok()?;
    ctx.store(6, &own, 0).ok()?;
    // SAFETY: the context is valid for the run of the program.
    let device = unsafe { (*ctx.skb.skb).ifindex };
    // SAFETY: it takes two numbers.
    Some(unsafe { bpf_redirect(device, 0) } as i32)
}
