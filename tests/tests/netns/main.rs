//! End to end: the real `qlb` program on a network node made of namespaces, judged by bytes,
//! counters, JSON and logs.
//!
//! Run inside the sandbox, with `qlb` built before: `cargo build --release`, then `cargo test
//! --release -p lb-tests --test netns` with `qlb-sandbox` as the runner.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

mod admission;
mod adopt;
mod anew;
mod bad_input;
mod bench;
mod bulk;
mod clsact;
mod conntrack;
mod drain;
mod drift;
mod dual_stack;
mod events;
mod failover;
mod flood;
mod hairpin;
mod haproxy;
mod hops;
mod idle;
mod idle_ssh;
mod ipv6;
mod lifecycle;
mod lost;
mod members;
mod members_busy;
mod members_refused;
mod memory;
mod moved;
mod order;
mod persistence;
mod ping;
mod pmtu;
mod pool_file;
mod ports;
mod refuse;
mod refused_start;
mod report;
mod reset;
mod route;
mod routed;
mod schedule;
mod seen;
mod several_pools;
mod share;
mod short;
mod stack;
mod takeover;
mod traces;
mod udp;
mod udp_flood;
mod udp_hops;
mod udp_pmtu;
mod udp_stream;

mod xdp;
mod xdp_served;
