//! Many pools on one node, each in a namespace of its own: what they take, beside as many HAProxy processes.
//!
//! `QLB_POOLS=1000 cargo xtask test --tier netns crowd` takes more of them than the usual run.

use std::fs;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use aya::maps::loaded_maps;
use aya::programs::loaded_programs;
use lb_tests::memory::of_map;
use lb_tests::topology::Tenant;
use lb_tests::{Process, wait_until};
use nix::sys::signal::Signal;

use crate::agent_bench::stop;
use crate::bench::SOON;
use crate::haproxy::Haproxy;
use crate::pool_file::{MemberLine, PoolFile, ROUND_ROBIN};
use crate::shared::{Node, assert_nothing};

/// Pools of the usual run.
const POOLS: u16 = 40;
/// Bytes of the kernel that one more pool may take.
const MOST: u64 = 200 * 1024;
/// Bytes of the agent that one more pool may take.
const MOST_RESIDENT: u64 = 256 * 1024;

fn wanted() -> u16 {
    std::env::var("QLB_POOLS").map_or(POOLS, |pools| pools.parse().unwrap())
}

/// Bytes that the kernel holds for BPF maps and programs.
fn kernel() -> u64 {
    let map = |map: aya::maps::MapInfo| {
        // One that goes meanwhile takes nothing.
        map.fd().map_or(0, |fd| of_map(fd.as_fd()).unwrap())
    };
    let maps: u64 = loaded_maps().filter_map(Result::ok).map(map).sum();
    let programs = loaded_programs().filter_map(Result::ok);
    maps + programs.filter_map(|program| program.memory_locked().ok()).map(u64::from).sum::<u64>()
}

/// Bytes of a process that are in memory: its own, and its part of what it shares.
fn resident(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
}

#[expect(clippy::explicit_write, reason = "the test runner keeps what eprintln! says")]
fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").unwrap();
}

/// The kernel has room for 1,024 neighbours of all namespaces together (`net.ipv4.neigh.default.gc_thresh3`), and keeps each for a
/// minute at least.
fn forget_neighbours(tenant: &Tenant) {
    for namespace in [&tenant.namespace, &tenant.world] {
        namespace.command("ip").args(["neighbour", "flush", "all"]).stdout().unwrap();
    }
}

#[test]
fn one_more_pool_takes_little() {
    let pools = wanted();
    let node = Node::prepare(pools);
    node.declare(&node.tenants[0], "");
    let mut agent = node.agent();
    let first = (kernel(), resident(agent.pid()));

    let start = Instant::now();
    node.tenants.iter().for_each(|tenant| node.declare(tenant, ""));
    let all_served = || {
        let said = node.qlb.command(["get", "pools", "--no-headers"]).unwrap();
        said.lines().filter(|line| line.contains("SERVED")).count() == usize::from(pools)
    };
    let patience = SOON.max(Duration::from_millis(200) * u32::from(pools));
    wait_until(all_served, patience, "all are served").unwrap();
    let started = start.elapsed();
    say(&format!("{pools} pools are served after {:.1} s", started.as_secs_f64()));
    for tenant in 0..node.tenants.len() {
        drop(node.connect(tenant, 30_000));
        forget_neighbours(&node.tenants[tenant]);
    }
    let more = u64::from(pools - 1);
    let (kernel, resident) = (kernel() - first.0, resident(agent.pid()) - first.1);
    say(&format!(
        "{pools} pools: one more takes {} KiB of the kernel and {} KiB of the agent; the first took {} KiB and {} KiB",
        kernel / more / 1024,
        resident / more / 1024,
        first.0 / 1024,
        first.1 / 1024,
    ));
    assert!(kernel / more <= MOST, "{} bytes of the kernel", kernel / more);
    assert!(resident / more <= MOST_RESIDENT, "{} bytes of the agent", resident / more);

    let start = Instant::now();
    let status = node.qlb.json(["status", "-o", "json"]).unwrap();
    let all = status["pools"].as_array().unwrap();
    say(&format!("{pools} pools: `qlb status` takes {:.2} s", start.elapsed().as_secs_f64()));
    for pool in all {
        assert_eq!(pool["connections"]["total"], 1, "{pool}");
        assert_eq!((pool["drift"].as_u64(), pool["attached"].as_bool()), (Some(0), Some(true)));
    }
    assert_eq!(all.len(), usize::from(pools));

    agent.stop(Signal::SIGKILL, SOON).unwrap();
    let start = Instant::now();
    agent = node.agent();
    let ready = start.elapsed().as_secs_f64();
    say(&format!("{pools} pools: the next agent is ready after {ready:.1} s"));
    drop(node.connect(node.tenants.len() - 1, 30_001));
    node.empty();
    wait_until(|| !all_served(), SOON, "they end").unwrap();
    let none = || node.qlb.command(["get", "pools", "--no-headers"]).unwrap().is_empty();
    wait_until(none, patience, "none is left").unwrap();
    stop(&mut agent);
    assert_nothing(&node);
    beside(&node);
}

/// As many HAProxy processes in the same namespaces.
fn beside(node: &Node) {
    let start = Instant::now();
    let start_one = |tenant: &Tenant| {
        let address = tenant.member();
        let member = MemberLine { address, weight: 1, admin_state_up: true, more: "" };
        let pool = PoolFile {
            id: tenant.id.clone(),
            namespace: tenant.namespace.name().to_owned(),
            protocol: "TCP",
            vip: tenant.vip,
            method: ROUND_ROBIN,
            members: vec![member],
            timeouts: Vec::new(),
            vip_fields: Vec::new(),
            fields: Vec::new(),
        };
        Haproxy::start(&tenant.namespace, &[pool])
    };
    let all: Vec<Haproxy> = node.tenants.iter().map(start_one).collect();
    let started = start.elapsed();
    let pids = all.iter().map(|haproxy| &haproxy.process).map(Process::pid);
    let total: u64 = pids.map(resident).sum();
    say(&format!(
        "{} HAProxy processes listen after {:.1} s and take {} KiB each",
        all.len(),
        started.as_secs_f64(),
        total / all.len() as u64 / 1024
    ));
}
