//! The load balancer's decisions, and the types it shares with its BPF programs.
//!
//! Everything that decides about a packet lives here as pure `no_std` code: the
//! parser, the conntrack look-up, scheduling, NAT, TCP state and checksums. The
//! same source runs in the BPF programs (through `lb-ebpf`, which supplies packet
//! access and maps), in host unit tests, in the differential test and in the
//! controller.
//!
//! - [`forward::forward`] is where a packet is decided.
//! - [`packet::Packet`] and [`tables::Tables`] are all it can touch.
//! - [`state`] holds the map keys and values; their layout is the contract with
//!   user space, versioned by [`state::LAYOUT_VERSION`].
//! - [`forward::route`] is the same decision without any of its effects.
//!
//! This crate never allocates, never does I/O and never uses `unsafe`.

#![cfg_attr(not(any(test, feature = "host")), no_std)]
#![forbid(unsafe_code)]

pub mod addr;
pub mod atomic;
pub mod be;
pub mod checksum;
pub mod counter;
mod dry;
mod ending;
pub mod event;
pub mod expire;
pub mod forward;
#[cfg(any(test, feature = "host"))]
pub mod host;
pub mod nat;
pub mod packet;
mod ports;
pub mod probe;
pub mod route;
pub mod schedule;
pub mod state;
pub mod tables;
pub mod verdict;
pub mod wire;
