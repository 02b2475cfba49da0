//! What goes along with the pools of an agent: stats sockets, logs, monitors.

use lb_tests::tcp::pattern;
use lb_tests::wait_until;
use nix::sys::signal::Signal;

use crate::agent_bench::AgentBench;
use crate::attendance::{Office, Told};
use crate::bench::{Bench, SOON};
use crate::pool_file::ROUND_ROBIN;

/// A pool that is declared with all of it.
fn bench(office: &Office) -> AgentBench {
    let mut bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    bench.pool.fields = vec![
        format!("stats_socket: {} mode 0666", office.socket().display()),
        format!("logs: [{} local0]", office.path("log").display()),
        "monitor: {type: TCP, delay: 1, timeout: 1, max_retries: 1, max_retries_down: 1}"
            .to_owned(),
    ];
    AgentBench::of(bench)
}

#[test]
fn they_come_and_go_with_the_pools() {
    let office = Office::open();
    let mut agent = bench(&office);
    let mut process = agent.start();
    let id = agent.bench.pool.id.clone();
    office.rows(|rows| rows["m1"]["status"] == "UP" && rows["m2"]["check_status"] == "L4OK");
    let mut connection = agent.bench.connect();
    let (client, member) = (connection.local, connection.member.clone());
    connection.exchange(&pattern(1_000)).unwrap();
    drop(connection);
    let told = Told::read(&office.logged(&[&client.to_string(), &id]));
    assert_eq!((told.server.as_str(), told.state.as_str()), (member.as_str(), "--"));

    agent.bench.servers.remove(1);
    let rows = office.rows(|rows| rows["m2"]["status"] == "DOWN");
    assert_eq!(rows["m2"]["check_status"], "L4CON");
    office.logged(&[&format!("Server {id}/m2 is DOWN"), "Layer4 connection problem"]);
    assert_eq!(agent.bench.sequence(3), "m1 m1 m1");

    // Whoever takes over from one that was killed answers, too, and knows what it knew.
    process.stop(Signal::SIGKILL, SOON).unwrap();
    let process = agent.start();
    let rows = office.rows(|rows| rows["m2"]["status"] == "DOWN");
    assert_eq!(rows["BACKEND"]["stot"], "4");
    assert_eq!(agent.bench.sequence(3), "m1 m1 m1");

    agent.bench.pool.fields.clear();
    agent.declare("lb.yaml", std::slice::from_ref(&agent.bench.pool));
    wait_until(|| !office.socket().exists(), SOON, "nobody answers any more").unwrap();
    agent.finish(process);
}
