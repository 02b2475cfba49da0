//! Devices that share programs and maps: an agent serves them by one conntrack, and nothing of one is seen at another.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use aya::programs::tc::TcAttachOptions;
use aya::programs::{LinkOrder, TcAttachType};

use lb_tests::tcp::{Connection, EchoServer, Mode, connect_from, pattern};
use lb_tests::topology::{LbaasNode, Tenant};
use lb_tests::{Namespace, Process, Qlb, wait_until};
use lb_userspace::datapath::{Entrances, Post};
use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::agent_bench::stop;
use crate::bench::SOON;
use crate::idle::wait_reset;
use crate::traces::{mounts, programs_at, state};

/// Tenants with the same addresses, their members, and the desired state of an agent.
pub(crate) struct Node {
    pub(crate) tenants: Vec<Tenant>,
    _turn: LbaasNode,
    servers: Vec<EchoServer>,
    pub(crate) qlb: Qlb,
    dir: TempDir,
}

impl Node {
    /// With the pools of all tenants declared.
    pub(crate) fn new(tenants: u16) -> Self {
        let node = Self::prepare(tenants);
        node.tenants.iter().for_each(|tenant| node.declare(tenant, ""));
        node
    }

    /// With nothing declared yet.
    pub(crate) fn prepare(tenants: u16) -> Self {
        let turn = LbaasNode::new().unwrap();
        let tenants: Vec<Tenant> =
            (1..=tenants).map(|number| Tenant::create(number).unwrap()).collect();
        let server = |tenant: &Tenant| {
            EchoServer::start(&tenant.world, &tenant.id, tenant.member(), Mode::Echo).unwrap()
        };
        let servers = tenants.iter().map(server).collect();
        let (qlb, dir) = (Qlb::find().unwrap(), tempfile::tempdir().unwrap());
        Self { tenants, _turn: turn, servers, qlb, dir }
    }

    /// Declares no pool any more.
    pub(crate) fn empty(&self) {
        for tenant in &self.tenants {
            std::fs::remove_file(self.file(tenant)).unwrap();
        }
    }

    fn file(&self, tenant: &Tenant) -> PathBuf {
        self.dir.path().join(format!("{}.yaml", tenant.id))
    }

    /// Declares a tenant's pool, with more lines of YAML.
    pub(crate) fn declare(&self, tenant: &Tenant, more: &str) {
        let Tenant { id, vip, .. } = tenant;
        let member = tenant.member();
        let text = format!(
            "pools:\n- id: {id}\n  protocol: TCP\n  lb_method: ROUND_ROBIN\n  \
             vip: {{id: {id}-vip, address: {}, port: {}}}\n  \
             members:\n  - {{id: m1, address: {}, port: {}}}\n{more}",
            vip.ip(),
            vip.port(),
            member.ip(),
            member.port()
        );
        std::fs::write(self.file(tenant), text).unwrap();
    }

    pub(crate) fn agent(&self) -> Process {
        self.agent_with(&[])
    }

    pub(crate) fn agent_with(&self, options: &[&str]) -> Process {
        self.qlb.agent(self.dir.path(), options).unwrap()
    }

    /// A connection of a tenant's client from this port, which must come to the tenant's own member.
    pub(crate) fn connect(&self, tenant: usize, port: u16) -> Connection {
        let of = &self.tenants[tenant];
        let connection = connect_from(&of.world, Some(of.client(port)), of.vip).unwrap();
        assert_eq!(
            (connection.member.as_str(), connection.seen.ip()),
            (of.id.as_str(), of.vip.ip())
        );
        connection
    }

    pub(crate) fn status(&self, tenant: usize) -> Value {
        let id = self.tenants[tenant].id.as_str();
        let mut all = self.qlb.json(["status", id, "-o", "json"]).unwrap();
        all["pools"][0].take()
    }

    pub(crate) fn counter(&self, tenant: usize, name: &str) -> u64 {
        self.status(tenant)["counters"][name].as_u64().unwrap()
    }

    fn delete(&self, tenant: usize) {
        let id = self.tenants[tenant].id.as_str();
        self.qlb.command(["delete", "pool", id]).unwrap();
    }

    /// Whether the agent says this of a tenant's pool.
    fn says(&self, tenant: usize, state: &str) -> bool {
        let pools = self.qlb.command(["get", "pools", "--no-headers"]).unwrap();
        let id = self.tenants[tenant].id.as_str();
        pools.lines().any(|line| line.contains(id) && line.contains(state))
    }

    /// Ends every pool and then the agent; nothing may be left.
    pub(crate) fn finish(&self, agent: &mut Process) {
        (0..self.tenants.len()).for_each(|tenant| self.delete(tenant));
        stop(agent);
        assert_nothing(self);
    }
}

/// Fails unless nothing is left, at the devices and below /run/qlb.
pub(crate) fn assert_nothing(node: &Node) {
    for tenant in &node.tenants {
        assert_eq!(programs_at(&tenant.namespace, tenant.device()), [""; 0]);
    }
    assert_eq!((state(), mounts()), (Vec::new(), Vec::new()));
}

#[test]
fn tenants_with_the_same_addresses_share_maps_and_nothing_else() {
    let node = Node::new(3);
    let mut agent = node.agent();
    for tenant in &node.tenants {
        assert_eq!(programs_at(&tenant.namespace, tenant.device()), ["qlb_enter"]);
    }
    // From the same ports, so that only the device tells one from the other.
    let counts = [3, 5, 0];
    let mut held: Vec<Vec<Connection>> = (0..3)
        .map(|tenant| (0..counts[tenant]).map(|n| node.connect(tenant, 30_000 + n)).collect())
        .collect();
    let exchange = |held: &mut Vec<Vec<Connection>>| {
        for connection in held.iter_mut().flatten() {
            // One segment: of several, the last is soon sent again to a member that is slow (RFC 8985).
            connection.exchange(&pattern(1_000)).unwrap();
        }
    };
    exchange(&mut held);
    for (tenant, count) in counts.iter().map(|count| u64::from(*count)).enumerate() {
        let status = node.status(tenant);
        let counters = &status["counters"];
        assert_eq!(status["connections"]["active"], count, "{status}");
        assert_eq!(status["connections"]["total"], count, "{status}");
        assert_eq!(status["bytes_in"], 1_000 * count, "{status}");
        assert_eq!(status["drift"], 0, "{status}");
        assert_eq!(status["conntrack"]["entries"], 2 * count, "{status}");
        assert_eq!(counters["connection_opened"], count, "{counters}");
        assert_eq!(counters["forward_to_member"].as_u64().unwrap() > 0, count > 0, "{counters}");
        let conns = node.qlb.json(["conns", &node.tenants[tenant].id, "-o", "json"]).unwrap();
        assert_eq!(conns["connections"].as_array().unwrap().len() as u64, count, "{conns}");
    }
    // Each member's ports are its own, and may be the same.
    let ports = |tenant: usize| -> BTreeSet<u16> {
        held[tenant].iter().map(|connection| connection.seen.port()).collect()
    };
    assert_eq!((ports(0).len(), ports(1).len()), (3, 5));

    // Who would get a connection is asked of each alone.
    let who = |tenant: usize| {
        let id = node.tenants[tenant].id.as_str();
        let args = ["route", "--src", "10.0.0.9:31000", "--dst", "10.0.0.250:80", id];
        let mut said = node.qlb.json(args.into_iter().chain(["-o", "json"])).unwrap();
        said["route"].take()
    };
    (0..3).for_each(|tenant| assert_eq!(who(tenant)["member"]["id"], "m1", "{}", who(tenant)));

    // One that dies is followed by another, which loads once for all.
    agent.stop(Signal::SIGKILL, SOON).unwrap();
    exchange(&mut held);
    agent = node.agent();
    exchange(&mut held);
    assert_eq!(node.status(1)["bytes_in"], 3 * 1_000 * 5);

    // One that ends takes nothing of the others along.
    node.delete(1);
    held[1].clear();
    assert_eq!(programs_at(&node.tenants[1].namespace, node.tenants[1].device()), [""; 0]);
    exchange(&mut held);
    held[2].push(node.connect(2, 30_000));
    assert_eq!(node.status(2)["connections"]["active"], 1);
    // What comes in its place begins with nothing.
    node.declare(&node.tenants[1], "");
    wait_until(|| node.says(1, "SERVED"), SOON, "it is back").unwrap();
    held[1].push(node.connect(1, 30_000));
    assert_eq!(node.counter(1, "connection_opened"), 1);
    exchange(&mut held);

    node.finish(&mut agent);
}

#[test]
fn idle_connections_are_ended_where_they_are() {
    let node = Node::new(3);
    let short = "  timeouts: {client: 6000, server: 6000}\n";
    [0, 2].iter().for_each(|tenant| node.declare(&node.tenants[*tenant], short));
    let mut agent = node.agent();
    let mut held: Vec<Connection> = (0..3).map(|tenant| node.connect(tenant, 30_000)).collect();
    // Both ends are told, at each device by RSTs that come in there.
    for tenant in [0, 2] {
        wait_reset(&held[tenant]);
        let server = &node.servers[tenant];
        wait_until(|| server.reset() == 1, SOON, "a reset of the member").unwrap();
        let counted = ["connection_expired", "reset_sent"].map(|name| node.counter(tenant, name));
        assert_eq!(counted, [1, 2], "tenant {tenant}");
    }
    let counted = ["connection_expired", "reset_sent"].map(|name| node.counter(1, name));
    assert_eq!(counted, [0, 0]);
    held[1].exchange(&pattern(1_000)).unwrap();

    node.finish(&mut agent);
}

#[test]
fn who_says_how_large_its_conntrack_is_has_its_own() {
    let node = Node::new(3);
    node.declare(&node.tenants[1], "  max_connections: 2\n");
    let mut agent = node.agent();
    let program = |tenant: usize| {
        let Tenant { namespace, .. } = &node.tenants[tenant];
        programs_at(namespace, node.tenants[tenant].device())
    };
    assert_eq!([0, 1, 2].map(program), [["qlb_enter"], ["qlb_ingress"], ["qlb_enter"]]);
    let held: Vec<Connection> = (0..2).map(|n| node.connect(1, 30_000 + n)).collect();
    let full = &node.tenants[1];
    connect_from(&full.world, Some(full.client(31_000)), full.vip).unwrap_err();
    assert_eq!(node.counter(1, "refuse_table_full"), 1);
    let others: Vec<Connection> = (0..40).map(|n| node.connect(0, 30_000 + n)).collect();
    assert_eq!((node.counter(0, "refuse_table_full"), others.len(), held.len()), (0, 40, 2));

    node.finish(&mut agent);
}

/// The kernel takes one program less than `BPF_MPROG_MAX` (linux/bpf_mprog.h) at a hook.
const MOST_PROGRAMS: usize = 63;

#[test]
fn a_start_that_fails_takes_nothing_of_others() {
    let node = Node::prepare(2);
    let [first, second] = [&node.tenants[0], &node.tenants[1]];
    node.declare(first, "");
    let mut agent = node.qlb.agent(node.dir.path(), ["--hook", "tcx"]).unwrap();
    let mut held = node.connect(0, 30_000);
    let fillers = second.namespace.run(|| {
        let mut entrances = Entrances::new(Path::new("/run/qlb/bpf/node"));
        let fill = |_| {
            let mut enter = entrances.load(0).unwrap();
            let how = TcAttachOptions::TcxOrder(LinkOrder::default());
            let program = enter.program(Post::Ingress).unwrap();
            program.attach_with_options(second.device(), TcAttachType::Ingress, how).unwrap();
            enter
        };
        (0..MOST_PROGRAMS).map(fill).collect::<Vec<_>>()
    });
    let fillers = fillers.unwrap();
    node.declare(second, "");
    wait_until(|| node.says(1, "ERROR"), SOON, "it cannot be served").unwrap();
    held.exchange(&pattern(1_000)).unwrap();
    drop(node.connect(0, 30_001));
    assert_eq!(node.status(0)["connections"]["total"], 2);
    drop(fillers);
    wait_until(|| node.says(1, "SERVED"), SOON, "it is served").unwrap();
    drop(node.connect(1, 30_000));
    held.exchange(&pattern(1_000)).unwrap();

    node.finish(&mut agent);
}

#[test]
fn events_come_to_whoever_follows_their_pool() {
    let node = Node::new(2);
    let mut agent = node.agent();
    let follow = |tenant: usize| {
        let args = ["events", &node.tenants[tenant].id, "-o", "json"];
        let command = Namespace::root().unwrap().command(node.qlb.program()).args(args);
        let mut process = Process::spawn(command).unwrap();
        let listening = |process: &Process| process.stderr().contains("listening").then_some(());
        process.wait_ready(listening, SOON, "a listener").unwrap();
        process
    };
    let followers = [follow(0), follow(1)];
    drop(node.connect(0, 30_000));
    drop(node.connect(1, 30_001));
    for (tenant, port) in [(0, "10.0.0.9:30000"), (1, "10.0.0.9:30001")] {
        let follower = &followers[tenant];
        wait_until(|| follower.stdout().contains("close"), SOON, "its end is told").unwrap();
        let text = follower.stdout();
        assert!(text.contains(port) && text.contains(&node.tenants[tenant].id), "{text}");
        assert!(!text.contains(&node.tenants[1 - tenant].id), "{text}");
    }
    drop(followers);
    node.finish(&mut agent);
}
