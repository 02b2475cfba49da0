//! The agent may die at any time: nothing that passes through its pools notices.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use lb_tests::tcp::{Connection, connect, pattern};
use lb_tests::topology::{Layout, PoolNet, WEB_POOL};
use lb_tests::{Nginx, Process, Qlb, wait_until};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::agent_bench::{AgentBench, stop};
use crate::bench::{SOON, numbers};
use crate::pool_file::{LEAST_CONNECTIONS, PoolFile};
use crate::traces::{assert_none, attachments};

/// Held sessions, kills, and the end of the agent that is an upgrade instead.
const HELD: usize = 200;
const KILLS: usize = 10;
const UPGRADE: usize = 5;

/// The numbers of a pool that only ever grow.
const GROWING: [&str; 4] = ["total_connections", "bytes_in", "bytes_out", "packets_in"];

fn all_alive(held: &mut [Connection]) {
    for connection in held {
        connection.exchange(&pattern(500)).unwrap();
    }
}

/// A load on nginx that goes on until it is interrupted.
fn load(web: &PoolNet) -> Process {
    let url = format!("http://{}/", web.pool.vip);
    let wrk = web.client().namespace.command("wrk");
    Process::spawn(wrk.args(["-t1", "-c16", "-d600s", "--timeout", "5s"]).arg(url)).unwrap()
}

/// Ends a load; answers how many requests it had answered. None may have failed.
fn end_load(mut wrk: Process) -> u64 {
    wrk.stop(Signal::SIGINT, SOON).unwrap();
    let said = wrk.stdout();
    assert!(!said.contains("Socket errors") && !said.contains("Non-2xx"), "{said}");
    let requests = said.lines().find(|line| line.contains(" requests in "));
    let count = requests.and_then(|line| line.split_whitespace().next()?.parse().ok());
    count.unwrap_or_else(|| panic!("{said}"))
}

fn status(qlb: &Qlb, id: &str) -> Value {
    let mut all = qlb.json(["status", id, "-o", "json"]).unwrap();
    all["pools"][0].take()
}

fn assert_went_on(before: &Value, after: &Value) {
    for field in GROWING {
        let pairs = numbers(before, field).into_iter().zip(numbers(after, field));
        pairs.for_each(|(old, new)| assert!(new >= old, "{field}: {old} to {new}"));
    }
    assert!(after["drift"] == 0 || after["drift"].is_null(), "{after}");
}

#[test]
fn ten_kills_and_an_upgrade_break_nothing() {
    let agent = AgentBench::new(LEAST_CONNECTIONS, &[1, 1]);
    let bench = &agent.bench;
    let web = bench.net.node.deploy(&WEB_POOL, &Layout::ONE_ARM).unwrap();
    let _servers: Vec<Nginx> = (0..2)
        .map(|index| {
            let (member, at) = (&web.members[index], web.member_socket(index));
            Nginx::start(&member.namespace, &format!("w{index}"), at, 1).unwrap()
        })
        .collect();
    agent.declare("web.yaml", &[PoolFile::of(&web, LEAST_CONNECTIONS, &[1, 1])]);
    let mut process = agent.start();
    let mut held = bench.hold(HELD);
    let wrk = load(&web);

    // New connections all the time, one after the other.
    let (going, opened) = (AtomicBool::new(true), AtomicU64::new(0));
    let (client, vip) = (&bench.net.client().namespace, bench.vip());
    let copy = tempfile::tempdir().unwrap();
    let newer = copy.path().join("qlb");
    std::fs::copy(bench.qlb.program(), &newer).unwrap();
    let mut program = bench.qlb.clone();
    thread::scope(|scope| {
        scope.spawn(|| {
            while going.load(Ordering::SeqCst) {
                let mut connection = connect(client, vip).unwrap();
                connection.exchange(b"new").unwrap();
                opened.fetch_add(1, Ordering::SeqCst);
                thread::sleep(Duration::from_millis(5));
            }
        });
        for end in 0..=KILLS {
            let before = [bench.pool.id.as_str(), web.pool.id].map(|id| status(&bench.qlb, id));
            if end == UPGRADE {
                program = Qlb::at(&newer);
                let next = program.agent(&agent.state_dir(), ["--upgrade"]).unwrap();
                let code = process.wait(SOON).unwrap().code();
                assert_eq!(code, Some(0), "{}", process.stderr());
                process = next;
                let exe = std::fs::read_link(format!("/proc/{}/exe", process.pid())).unwrap();
                assert_eq!(exe, newer);
            } else {
                process.stop(Signal::SIGKILL, SOON).unwrap();
                // Nobody is there, and it goes on.
                all_alive(&mut held[..20]);
                let count = opened.load(Ordering::SeqCst);
                let more = || opened.load(Ordering::SeqCst) > count + 5;
                wait_until(more, SOON, "new connections without an agent").unwrap();
                process = program.agent(&agent.state_dir(), [""; 0]).unwrap();
            }
            for net in [&bench.net, &web] {
                assert_eq!(attachments(net).len(), 1, "still one program on the device");
            }
            let ids = [bench.pool.id.as_str(), web.pool.id];
            for (before, id) in before.iter().zip(ids) {
                assert_went_on(before, &status(&bench.qlb, id));
            }
            all_alive(&mut held);
        }
        going.store(false, Ordering::SeqCst);
    });
    let (requests, opened) = (end_load(wrk), opened.load(Ordering::SeqCst));
    eprintln!(
        "{KILLS} kills and an upgrade: {requests} requests, {opened} new connections, {HELD} held: none failed"
    );
    assert!(requests > 1_000 && opened > 100, "{requests} {opened}");

    let settled = || bench.members("active_connections") == [HELD as u64 / 2; 2];
    wait_until(settled, SOON, "only held connections are active").unwrap();
    assert_eq!(bench.status()["drift"], 0);
    held.extend(bench.hold(10));
    assert_eq!(bench.members("active_connections"), [(HELD as u64 + 10) / 2; 2]);
    all_alive(&mut held);
    assert_eq!(status(&bench.qlb, web.pool.id)["counters"]["refuse_no_member"], 0);
    drop(held);
    agent.finish(process);
    assert_none(&web);
}

#[test]
fn an_upgrade_replaces_the_programs_and_needs_no_agent_before_it() {
    let agent = AgentBench::new(LEAST_CONNECTIONS, &[1, 1]);
    let mut first = agent.start_with(&["--upgrade"]);
    let before = program_of(&agent);
    let mut second = agent.start_with(&["--upgrade"]);
    assert_eq!(first.wait(SOON).unwrap().code(), Some(0), "{}", first.stderr());
    assert!(first.stderr().contains("another agent takes over"), "{}", first.stderr());
    assert_ne!(program_of(&agent), before);
    assert_eq!(agent.states(), [format!("{} SERVED", agent.bench.pool.id)]);
    stop(&mut second);
    let third = agent.start();
    agent.finish(third);
}

/// The id of the program on the VIP's device.
fn program_of(agent: &AgentBench) -> u32 {
    use aya::programs::{SchedClassifier, TcAttachType};
    let device = agent.bench.device();
    let query = || SchedClassifier::query_tcx(device, TcAttachType::Ingress).unwrap().1;
    agent.bench.net.vip.namespace.run(query).unwrap()[0].id()
}
