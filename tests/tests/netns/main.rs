//! End to end: the real `qlb` program on a network node made of namespaces, judged by bytes,
//! counters, JSON and logs.
//!
//! Run inside the sandbox, with `qlb` built before: `cargo build --release`, then `cargo test
//! --release -p lb-tests --test netns` with `qlb-sandbox` as the runner.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

mod admission;
mod adopt;
mod agent;
mod agent_anytime;
mod agent_api;
mod agent_attended;
mod agent_bench;
mod agent_cli;
mod agent_faults;
mod agent_killed;
mod agent_metrics;
mod agent_monitor;
mod agent_pool;
mod agent_unit;

mod anew;
mod announce;
mod announce_asked;
mod announce_later;
mod announcements;
mod attendance;
mod attended;
mod bad_input;
mod bench;
mod bulk;
mod circle;
mod clsact;
mod conntrack;
mod crowd;
mod dnat;
mod drain;
mod drift;
mod dsr;

mod dropin;
mod dual_stack;
mod events;
mod failover;
mod flood;
mod fragments;
mod hairpin;
mod haproxy;
mod hops;
mod host;
mod host_bridge;
mod host_served;
mod idle;
mod idle_ssh;
mod ipv6;
mod lifecycle;
mod listeners;
mod lost;
mod members;
mod members_busy;
mod members_refused;
mod memory;
mod monitor_beside;
mod monitor_life;
mod monitor_look;
mod monitor_scale;
mod monitor_types;
mod monitor_web;
mod moved;
mod neutron;
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
mod shared;
mod short;
mod stack;
mod standin;
mod takeover;
mod traces;
mod transcript;
mod udp;
mod udp_flood;
mod udp_hops;
mod udp_pmtu;
mod udp_stream;
mod vlan;
mod xdp;
mod xdp_served;
