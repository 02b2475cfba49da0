//! What goes along with the pools of an agent: stats sockets, logs, monitors.

use lb_tests::tcp::{self, pattern};
use lb_tests::wait_until;
use nix::sys::signal::Signal;

use crate::agent_bench::AgentBench;
use crate::attendance::{Office, Told};
use crate::bench::{Bench, SOON};
use crate::events::{follow, told};
use crate::pool_file::{PoolFile, ROUND_ROBIN};

/// Where a pool logs to.
fn logs(office: &Office) -> String {
    format!("logs: [{} local0]", office.path("log").display())
}

/// A pool that is declared with all of it.
fn bench(office: &Office) -> AgentBench {
    let mut bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    bench.pool.fields = vec![
        format!("stats_socket: {} mode 0666", office.socket().display()),
        logs(office),
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

/// Declares a second pool that logs, whose first connections must have their lines.
fn comes_later(agent: &AgentBench, office: &Office) -> PoolFile {
    let mut later = agent.bench.second_pool("later");
    later.fields = vec![logs(office)];
    let (_, clients) = agent.bench.knock(later.vip, || {
        agent.declare("later.yaml", std::slice::from_ref(&later));
        agent.wait_state("later", "SERVED")
    });
    office.logged_all(&clients, "later");
    later
}

/// Pools that come later share the ring of those that are there, whose log reads it.
#[test]
fn the_first_connection_of_a_pool_that_comes_later_has_a_line() {
    let office = Office::roomy();
    let agent = bench(&office);
    let process = agent.start();
    let later = comes_later(&agent, &office);
    // Whoever asks for events is not told of those from before, though nobody has heard of them.
    let port = later.vip.port() + 1;
    let mut silent = later.at("silent", port);
    silent.fields.clear();
    agent.declare("silent.yaml", std::slice::from_ref(&silent));
    agent.wait_state("silent", "SERVED");
    let client = &agent.bench.net.client().namespace;
    drop(tcp::connect(client, silent.vip).unwrap());
    agent.bench.wait_idle_of("silent");
    // Events come in order: those are read when this one is.
    let after = agent.bench.connect().local;
    office.logged(&[&format!(": {after} ["), " -- "]);
    let events = follow(&agent.bench.qlb, "silent");
    let last = tcp::connect(client, silent.vip).unwrap().local.to_string();
    let heard = told(&events, 2);
    assert!(heard.iter().all(|event| event["client"] == last), "{heard:?}");
    drop(events);
    agent.finish(process);
}

/// Somebody else reads the ring then, and logs nothing.
#[test]
fn it_has_one_while_an_operator_follows_another_pool() {
    let office = Office::roomy();
    let agent = AgentBench::new(ROUND_ROBIN, &[1, 1]);
    let process = agent.start();
    let events = follow(&agent.bench.qlb, &agent.bench.pool.id);
    comes_later(&agent, &office);
    assert!(!events.stdout().contains("later"), "{}", events.stdout());
    drop(events);
    agent.finish(process);
}
