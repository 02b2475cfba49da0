//! `qlb monitor`: monitors come, change and go while the pool is served.

use lb_tests::tcp::Mode;

use crate::agent_bench::AgentBench;
use crate::bench::server;
use crate::monitor_look::{member, wait_health};
use crate::pool_file::ROUND_ROBIN;

#[test]
fn members_follow_the_monitors_that_a_pool_has_now() {
    let mut agent = AgentBench::new(ROUND_ROBIN, &[1, 1]);
    let process = agent.start();
    let id = agent.bench.pool.id.clone();
    let id = id.as_str();
    let declared =
        |agent: &AgentBench| std::fs::read_to_string(agent.state_dir().join("lb.yaml")).unwrap();
    let add = ["monitor", "add", id, "--type", "tcp", "--delay", "1", "--max-retries", "1"];
    let added = agent.ends(&[&add[..], &["--max-retries-down", "1"]].concat(), 0);
    assert!(added.stdout.starts_with(&format!("pool {id} changed, SERVED\n")), "{added:?}");
    assert!(
        declared(&agent).contains("type: TCP\n    delay: 1\n    timeout: 1\n"),
        "{}",
        declared(&agent)
    );
    wait_health(&agent.bench, "m2", "UP L4OK");
    agent.bench.servers.remove(1);
    wait_health(&agent.bench, "m2", "DOWN L4CON");
    assert_eq!(agent.bench.sequence(3), "m1 m1 m1");

    // The second says nothing against m2, but the first still does.
    agent.ends(&["monitor", "add", id, "--type", "PING", "--delay", "1"], 0);
    agent.ends(&["monitor", "set", id, "ping", "--timeout", "0.5"], 0);
    let list = agent.bench.qlb.json(["monitor", "list", id, "-o", "json"]).unwrap();
    let monitors = list["monitors"].as_array().unwrap();
    let shown: Vec<String> = monitors
        .iter()
        .map(|it| format!("{} {} {} {}", it["monitor"], it["type"], it["delay"], it["timeout"]))
        .collect();
    assert_eq!(shown, ["1 \"TCP\" 1.0 1.0", "2 \"PING\" 1.0 0.5"]);
    assert_eq!(agent.bench.sequence(3), "m1 m1 m1");

    agent.ends(&["monitor", "remove", id, "1"], 0);
    wait_health(&agent.bench, "m2", "UP L4OK");
    assert_eq!(member(&agent.bench, "m2")["check"]["monitor"], "PING");
    agent.bench.servers.push(server(&agent.bench.net, 1, Mode::Echo));
    agent.ends(&["monitor", "remove", id, "PING"], 0);
    assert!(!declared(&agent).contains("monitor"), "{}", declared(&agent));
    lb_tests::wait_until(
        || member(&agent.bench, "m2")["check"].is_null(),
        crate::bench::SOON,
        "nobody probes",
    )
    .unwrap();
    assert!(agent.bench.sequence(2).contains("m2"));
    agent.finish(process);
}
