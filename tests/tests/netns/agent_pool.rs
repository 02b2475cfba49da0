//! `qlb pool`: what an operator changes of a pool is declared, served, and lasts.

use lb_tests::tcp::pattern;
use nix::sys::signal::Signal;

use crate::agent_bench::{AgentBench, stop};
use crate::bench::SOON;
use crate::pool_file::ROUND_ROBIN;
use crate::refuse::assert_refused;

/// All that is declared, byte for byte.
fn declared(agent: &AgentBench) -> String {
    std::fs::read_to_string(agent.state_dir().join("lb.yaml")).unwrap()
}

#[test]
fn a_pool_changes_by_command_and_the_change_lasts() {
    let agent = AgentBench::new(ROUND_ROBIN, &[1, 1]);
    let bench = &agent.bench;
    let id = bench.pool.id.as_str();
    let mut process = agent.start();
    let mut held = bench.hold(2);
    let before = declared(&agent);
    let change = ["pool", "set", id, "--lb-method", "least_connections", "--connection-limit", "5"];
    let fields =
        "  lb_method: ROUND_ROBIN -> LEAST_CONNECTIONS\n  vip.connection_limit: (none) -> 5\n";
    let dry = agent.ends(&[&change[..], &["--dry-run"]].concat(), 0);
    assert_eq!(dry.stdout, format!("pool {id} would be changed\n{fields}"));
    assert_eq!(declared(&agent), before);
    assert_eq!(bench.status()["lb_method"], "ROUND_ROBIN");

    let done = agent.ends(&change, 0);
    assert_eq!(done.stdout, format!("pool {id} changed, SERVED\n{fields}"));
    let now = declared(&agent);
    assert!(now.contains("LEAST_CONNECTIONS") && now.contains("connection_limit: 5"), "{now}");
    let status = bench.status();
    assert_eq!(status["lb_method"], "LEAST_CONNECTIONS");
    assert_eq!(status["connections"]["limit"], 5);
    let again = agent.ends(&change, 0);
    assert_eq!(again.stdout, format!("pool {id} unchanged, SERVED\n"));

    agent.ends(&["pool", "set", id, "--admin-state", "down"], 0);
    assert_refused(bench);
    held.iter_mut().for_each(|held| held.exchange(&pattern(1_000)).unwrap());
    process.signal(Signal::SIGKILL).unwrap();
    process.wait(SOON).unwrap();
    let process = agent.start();
    assert_refused(bench);
    agent.ends(&["pool", "set", id, "--admin-state", "up", "--connection-limit", "-1"], 0);
    assert_eq!(bench.sequence(2), "m1 m2");
    let now = declared(&agent);
    assert!(!now.contains("admin_state_up: false") && !now.contains("connection_limit"), "{now}");
    held.iter_mut().for_each(|held| held.exchange(&pattern(1_000)).unwrap());
    drop(held);
    agent.finish(process);
}

/// One thing under two names says one thing.
#[test]
fn the_other_commands_for_pools_say_the_same() {
    let agent = AgentBench::new(ROUND_ROBIN, &[1, 1]);
    let id = agent.bench.pool.id.as_str();
    let process = agent.start();
    for (new, old) in [
        (&["pool", "list", "-o", "json"][..], &["get", "pools", "-o", "json"][..]),
        (&["pool", "show", id], &["describe", "pool", id]),
        (&["pool", "show", id, "-o", "json"], &["describe", "pool", id, "-o", "json"]),
        (&["monitor", "list", "-o", "yaml"], &["get", "monitors", "-o", "yaml"]),
        (&["pool", "delete", id, "--dry-run"], &["delete", "pool", id, "--dry-run"]),
    ] {
        assert_eq!(agent.ends(new, 0).stdout, agent.ends(old, 0).stdout, "{new:?}");
    }
    agent.ends(&["pool", "delete", id], 0);
    assert_eq!(agent.states(), [""; 0]);
    agent.finish(process);
}

#[test]
fn what_cannot_be_changes_nothing() {
    let agent = AgentBench::new(ROUND_ROBIN, &[1, 1]);
    let bench = &agent.bench;
    let id = bench.pool.id.as_str();
    let mut process = agent.start();
    let before = declared(&agent);
    for (args, code, words) in [
        (&["pool", "set", id, "--retries", "9"][..], 2, "failover.retries: retries 9 is above 4"),
        (&["pool", "set", id, "--allowed-cidrs", "10.0.0.1/8"], 2, "the network is 10.0.0.0/8"),
        (&["pool", "set", "nobody", "--name", "n"], 4, "no pool `nobody`; `qlb get pools`"),
        (&["monitor", "add", id, "--type", "UDP-CONNECT"], 2, "does not suit a pool of TCP"),
        (&["monitor", "add", id, "--type", "TCP", "--url-path", "/"], 2, "monitor.url_path"),
        (&["monitor", "add", id, "--type", "TCP", "--timeout", "9"], 2, "longer than the delay"),
        (
            &[
                "monitor",
                "add",
                id,
                "--type",
                "HTTPS",
                "--verify",
                "required",
                "--ca-file",
                "/no.pem",
            ],
            2,
            "/no.pem",
        ),
        (&["monitor", "set", id, "1", "--delay", "1"], 4, "no monitor `1`; `qlb monitor list"),
    ] {
        let answer = agent.ends(args, code);
        assert!(answer.stderr.contains(words) && answer.stdout.is_empty(), "{args:?}: {answer:?}");
        assert_eq!(declared(&agent), before, "{args:?}");
    }
    assert_eq!(bench.sequence(2), "m1 m2");

    // Somebody else's, whether or not an agent runs.
    let other = bench.write("other.yaml", &[bench.second_pool("other")]);
    let mut run = bench.qlb.run(["-f".as_ref(), other.as_os_str()]).unwrap();
    let set = ["pool", "set", "other", "--name", "n"];
    let foreign = format!("pool other is served by `qlb run` (process id {})", run.pid());
    assert!(agent.ends(&set, 4).stderr.contains(&foreign));
    stop(&mut process);
    assert!(agent.ends(&set, 4).stderr.contains(&foreign));
    let nobody = agent.ends(&["monitor", "add", id, "--type", "TCP"], 3);
    assert!(nobody.stderr.contains("systemctl status qlb"), "{nobody:?}");
    crate::bench::end(&mut run);
    let process = agent.start();
    agent.finish(process);
}
