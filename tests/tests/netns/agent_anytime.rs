//! An agent that is killed before it is ready, at whatever it is doing.

use std::thread;
use std::time::Duration;

use lb_tests::tcp::pattern;
use lb_tests::{Namespace, Process};
use nix::sys::signal::Signal;

use crate::agent_bench::AgentBench;
use crate::bench::SOON;
use crate::pool_file::LEAST_CONNECTIONS;
use crate::traces::attachments;

/// Kills, and how much later each comes than the one before: together they span a start.
const KILLS: u32 = 16;
const STEP: Duration = Duration::from_millis(60);

fn spawn(agent: &AgentBench) -> Process {
    let command = Namespace::root().unwrap().command(agent.bench.qlb.program());
    Process::spawn(command.args(["agent", "--state-dir"]).arg(agent.state_dir())).unwrap()
}

#[test]
fn a_start_that_is_killed_breaks_nothing_wherever_it_was() {
    let agent = AgentBench::new(LEAST_CONNECTIONS, &[1, 1]);
    let bench = &agent.bench;
    let mut first = agent.start();
    let mut held = bench.hold(20);
    first.stop(Signal::SIGKILL, SOON).unwrap();
    for kill in 0..KILLS {
        let mut process = spawn(&agent);
        thread::sleep(STEP * kill);
        process.stop(Signal::SIGKILL, SOON).unwrap();
        assert_eq!(attachments(&bench.net).len(), 1, "after {:?}", STEP * kill);
        for connection in &mut held {
            connection.exchange(&pattern(500)).unwrap();
        }
        held.push(bench.connect());
    }
    let process = agent.start();
    assert_eq!(attachments(&bench.net).len(), 1);
    let count = held.len() as u64;
    assert_eq!(bench.members("active_connections"), [count / 2; 2]);
    assert_eq!(bench.members("total_connections"), [count / 2; 2]);
    drop(held);
    agent.finish(process);
}

#[test]
fn a_first_start_that_is_killed_is_made_good_by_the_next() {
    let agent = AgentBench::new(LEAST_CONNECTIONS, &[1, 1]);
    for kill in 0..KILLS {
        let mut process = spawn(&agent);
        thread::sleep(STEP * kill);
        process.stop(Signal::SIGKILL, SOON).unwrap();
        if kill % 4 == 3 {
            let process = agent.start();
            assert_eq!(agent.bench.sequence(2).len(), "m1 m2".len());
            assert_eq!(attachments(&agent.bench.net).len(), 1);
            agent.finish(process);
            agent.declare("lb.yaml", std::slice::from_ref(&agent.bench.pool));
        }
    }
    let process = agent.start();
    agent.finish(process);
}
