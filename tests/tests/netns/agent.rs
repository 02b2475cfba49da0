//! The agent: what is served follows what is declared and what the node has.

use lb_tests::tcp::pattern;
use lb_tests::topology::{Layout, WEB_POOL};
use lb_tests::{wait_for, wait_until};
use nix::sys::signal::Signal;

use crate::agent_bench::{AgentBench, stop, text};
use crate::bench::{Bench, SOON, end};
use crate::pool_file::{LEAST_CONNECTIONS, PoolFile, ROUND_ROBIN, yaml};
use crate::traces::{assert_none, attachments, state};

#[test]
fn pools_follow_their_declarations() {
    let agent = AgentBench::new(ROUND_ROBIN, &[1, 1]);
    let bench = &agent.bench;
    let id = bench.pool.id.as_str();
    let process = agent.start();
    let ready = process.stdout();
    assert!(ready.starts_with("ready pools=1 served=1 pending=0 failed=0 problems=0"), "{ready}");
    assert_eq!(bench.sequence(4), "m1 m2 m1 m2");
    let mut held = bench.hold(4);

    // By hand, in place.
    let mut changed = bench.pool.clone();
    changed.members[0].weight = 0;
    agent.declare("lb.yaml", std::slice::from_ref(&changed));
    wait_until(|| bench.sequence(4) == "m2 m2 m2 m2", SOON, "m1 drains").unwrap();

    // By command, in the same file.
    let answer = agent.ends(&["member", "set", id, "m1", "--weight", "3"], 0);
    assert_eq!(answer.stdout, format!("member m1 {} changed\n", bench.pool.members[0].address));
    assert_eq!(bench.sequence(4).matches("m1").count(), 3);
    let declared = std::fs::read_to_string(agent.state_dir().join("lb.yaml")).unwrap();
    assert!(declared.contains("weight: 3"), "{declared}");

    // Declared no more.
    for connection in &mut held {
        connection.exchange(&pattern(1_000)).unwrap();
    }
    drop(held);
    std::fs::remove_file(agent.state_dir().join("lb.yaml")).unwrap();
    wait_until(|| agent.states().is_empty(), SOON, "the pool's end").unwrap();
    assert_eq!(attachments(&bench.net), [""; 0]);
    agent.finish(process);
}

#[test]
fn a_pool_is_served_as_soon_as_its_device_comes_and_again_when_it_comes_back() {
    let agent = AgentBench::new(ROUND_ROBIN, &[1, 1]);
    let bench = &agent.bench;
    let id = bench.pool.id.as_str();
    let (device, vip) = (bench.device().to_owned(), bench.vip().ip());
    bench.in_vip(&format!("ip address del {vip}/24 dev {device}"));
    // The namespace of the other one is not there at all.
    let absent =
        PoolFile { namespace: "qlbaas-absent".to_owned(), ..bench.pool.clone().at("absent", 80) };
    agent.declare("absent.yaml", &[absent]);
    let mut process = agent.start();
    let pending = agent.pool(id);
    assert_eq!(pending["state"], "PENDING");
    assert!(pending["reason"].as_str().unwrap().contains(&vip.to_string()), "{pending}");
    let there = agent.pool("absent");
    assert!(there["reason"].as_str().unwrap().contains("qlbaas-absent"), "{there}");

    bench.in_vip(&format!("ip address add {vip}/24 dev {device}"));
    agent.wait_state(id, "SERVED");
    assert_eq!(bench.sequence(2), "m1 m2");

    bench.in_vip(&format!("ip link set {device} down"));
    bench.in_vip(&format!("ip link set {device} up"));
    assert_eq!(agent.pool(id)["state"], "SERVED");
    process.signal(Signal::SIGKILL).unwrap();
    process.wait(SOON).unwrap();
    let process = agent.start();
    assert_eq!(agent.states(), [format!("{id} SERVED"), "absent PENDING".to_owned()]);
    agent.finish(process);
}

#[test]
fn a_namespace_that_goes_takes_its_pool_along_and_brings_it_back() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    std::fs::write(dir.path().join("lb.yaml"), yaml(std::slice::from_ref(&bench.pool))).unwrap();
    let id = bench.pool.id.clone();
    let mut process = bench.qlb.agent(dir.path(), [""; 0]).unwrap();
    assert_eq!(bench.sequence(2), "m1 m2");
    let qlb = bench.qlb.clone();
    let is = |wanted: &str| {
        let pools = qlb.json(["get", "pools", id.as_str(), "-o", "json"]).unwrap();
        if pools["pools"][0]["state"] == wanted { Ok(()) } else { Err(pools.to_string()) }
    };
    drop(bench);
    wait_for(|| is("PENDING"), SOON, "pending").unwrap();
    let records: Vec<String> = state().into_iter().filter(|path| path.contains(&id)).collect();
    assert_eq!(records, [""; 0]);

    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    wait_for(|| is("SERVED"), SOON, "served again").unwrap();
    assert_eq!(bench.sequence(2), "m1 m2");
    bench.run_to_end(&["delete", "pool", &id]);
    stop(&mut process);
    assert_none(&bench.net);
}

#[test]
fn what_is_applied_lasts_and_what_is_not_in_order_changes_nothing() {
    let agent = AgentBench::new(LEAST_CONNECTIONS, &[1, 1]);
    let bench = &agent.bench;
    let id = bench.pool.id.as_str();
    let process = agent.start();
    let mut changed = bench.pool.clone();
    changed.members.truncate(1);
    let second = bench.second_pool("second");
    let file = bench.write("both.yaml", &[changed.clone(), second.clone()]);
    let file = text(&file);
    assert_eq!(agent.ends(&["diff", "-f", file], 1).stdout.matches("pool ").count(), 2);
    let dry = agent.ends(&["apply", "-f", file, "--dry-run"], 0);
    assert!(dry.stdout.contains("second would be created"), "{dry:?}");
    assert_eq!(agent.states(), [format!("{id} SERVED")]);
    agent.ends(&["apply", "-f", file], 0);
    agent.ends(&["diff", "-f", file], 0);
    assert_eq!(agent.states(), [format!("{id} SERVED"), "second SERVED".to_owned()]);
    assert_eq!(bench.sequence(2), "m1 m1");

    // The second pool would take the VIP of the first, and nothing happens to either.
    let mut thief = second;
    thief.vip = bench.vip();
    thief.id = "thief".to_owned();
    let mut again = changed;
    again.members[0].weight = 7;
    let file = bench.write("thief.yaml", &[again.clone(), thief]);
    let refused = agent.ends(&["apply", "-f", text(&file)], 2);
    assert!(refused.stderr.contains("thief"), "{refused:?}");
    assert_eq!(agent.bench.status()["members"][0]["weight"], 1);

    let mut process = process;
    process.signal(Signal::SIGKILL).unwrap();
    process.wait(SOON).unwrap();
    let process = agent.start();
    assert_eq!(agent.states(), [format!("{id} SERVED"), "second SERVED".to_owned()]);
    assert_eq!(bench.sequence(2), "m1 m1");
    agent.finish(process);
}

#[test]
fn a_pool_that_is_deleted_while_no_agent_runs_ends_with_the_next_one() {
    let agent = AgentBench::new(ROUND_ROBIN, &[1, 1]);
    let mut process = agent.start();
    stop(&mut process);
    assert_eq!(agent.bench.sequence(2), "m1 m2");
    // What the command would change is the agent's to change.
    let id = agent.bench.pool.id.as_str();
    let refused = agent.ends(&["member", "drain", id, "m1"], 3);
    assert!(refused.stderr.contains("systemctl status qlb"), "{refused:?}");
    std::fs::remove_file(agent.state_dir().join("lb.yaml")).unwrap();
    let process = agent.start();
    assert_eq!(attachments(&agent.bench.net), [""; 0]);
    agent.finish(process);
}

#[test]
fn pools_of_a_foreground_controller_stay_its_own() {
    let agent = AgentBench::new(ROUND_ROBIN, &[1, 1]);
    let bench = &agent.bench;
    let mut run = bench.run();
    let process = agent.start();
    let pool = agent.pool(&bench.pool.id);
    assert_eq!(pool["state"], "ERROR");
    assert!(pool["reason"].as_str().unwrap().contains(&run.pid().to_string()), "{pool}");
    let other = bench.second_pool("other");
    let file = bench.write("other.yaml", &[other]);
    let mut foreground = bench.qlb.run(["-f".as_ref(), file.as_os_str()]).unwrap();
    bench.qlb.command(["member", "drain", "other", "m1"]).unwrap();
    end(&mut foreground);
    end(&mut run);
    // Whatever it waits for, it tries again when it is told to.
    process.signal(Signal::SIGHUP).unwrap();
    agent.wait_state(&bench.pool.id, "SERVED");
    let told = || process.stderr().contains("reading the desired state again");
    wait_until(told, SOON, "the signal").unwrap();
    assert_eq!(bench.sequence(2), "m1 m2");
    agent.finish(process);
}

#[test]
fn detach_on_exit_ends_every_pool() {
    let agent = AgentBench::new(ROUND_ROBIN, &[1, 1]);
    let web = agent.bench.net.node.deploy(&WEB_POOL, &Layout::ONE_ARM).unwrap();
    agent.declare("web.yaml", &[PoolFile::of(&web, ROUND_ROBIN, &[1, 1])]);
    let mut process = agent.start_with(&["--detach-on-exit"]);
    assert_eq!(agent.states().len(), 2);
    stop(&mut process);
    assert_none(&agent.bench.net);
    assert_none(&web);
}
