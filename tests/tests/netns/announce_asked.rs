//! `qlb announce`, with the agent and without.

use lb_tests::topology::{Layout, SSH_POOL, SSH_POOL_V6};
use lb_tests::{wait_for, wait_until};
use serde_json::{Value, json};

use crate::agent_bench::AgentBench;
use crate::announcements::{Ear, WRONG, assert_rounds, frames_for, mislead, remembered, written};
use crate::bench::{Bench, SOON, end};
use crate::pool_file::{PoolFile, ROUND_ROBIN};

/// Asks once, and makes sure that the client has heard nothing before and then what was told.
fn ask(bench: &Bench, ear: Ear) {
    assert_eq!(remembered(bench), WRONG);
    let id = bench.pool.id.as_str();
    let told = bench.qlb.json(["announce", id, "--rounds", "1", "-o", "json"]).unwrap();
    let mac = written(SSH_POOL.mac);
    let wanted = json!({
        "apiVersion": "qlb/v1",
        "announcements": [{
            "pool": id, "address": bench.vip().ip().to_string(), "namespace": bench.pool.namespace,
            "device": bench.device(), "mac": mac, "rounds": 1, "reason": Value::Null,
        }],
    });
    assert_eq!(told, wanted);
    wait_until(|| remembered(bench) == mac, SOON, "the client knows better").unwrap();
    let vip = bench.vip().ip();
    assert_rounds(&ear.end(frames_for(vip)), SSH_POOL.mac, &[vip]);
}

#[test]
fn nobody_is_told_where_that_is_off_until_somebody_asks() {
    for pool in [&SSH_POOL, &SSH_POOL_V6] {
        let bench = Bench::of(pool, &Layout::ONE_ARM, ROUND_ROBIN, &[1, 1]);
        mislead(&bench);
        let ear = Ear::of(&bench);
        let mut run = bench.run_with(&["--announce", "0"]).unwrap();
        ask(&bench, ear);
        end(&mut run);

        mislead(&bench);
        let ear = Ear::of(&bench);
        let agent = AgentBench::of(bench);
        let process = agent.start_with(&["--announce", "0"]);
        ask(&agent.bench, ear);
        agent.finish(process);
    }
}

#[test]
fn all_pools_are_told_of_in_a_table_and_what_cannot_be_is_said() {
    let agent = AgentBench::new(ROUND_ROBIN, &[1, 1]);
    let bench = &agent.bench;
    let absent =
        PoolFile { namespace: "qlbaas-absent".to_owned(), ..bench.pool.clone().at("absent", 80) };
    agent.declare("absent.yaml", &[absent]);
    let process = agent.start_with(&["--announce", "0"]);
    let table = agent.ends(&["announce", "--rounds", "2"], 0).stdout;
    let words: Vec<Vec<&str>> =
        table.lines().map(|line| line.split_whitespace().collect()).collect();
    let (id, vip, mac) =
        (bench.pool.id.as_str(), bench.vip().ip().to_string(), written(SSH_POOL.mac));
    let head = ["POOL", "ADDRESS", "NAMESPACE", "DEVICE", "MAC", "ROUNDS", "REASON"];
    let row = [id, &vip, &bench.pool.namespace, bench.device(), &mac, "2", "-"];
    assert_eq!(words, [head, row]);

    let refused = agent.ends(&["announce", "absent"], 4);
    assert!(refused.stderr.contains("qlbaas-absent"), "{refused:?}");
    let refused = agent.ends(&["announce", "nobody"], 4);
    assert!(refused.stderr.contains("`nobody`"), "{refused:?}");
    agent.ends(&["announce", "--rounds", "0"], 2);

    let (bridge, port) = (bench.net.node.bridge(), &bench.net.vip.ports[0]);
    port.set_link(bridge, false).unwrap();
    // The kernel says so a moment later.
    let silent = || {
        let answer = bench.run_to_end(&["announce", id, "--rounds", "1"]);
        let told = answer.code == Some(1) && answer.stdout.contains("no carrier");
        if told { Ok(()) } else { Err(format!("{answer:?}")) }
    };
    wait_for(silent, SOON, "no carrier").unwrap();
    port.set_link(bridge, true).unwrap();
    bench.in_vip(&format!("ip link set {} down", bench.device()));
    let silent = agent.ends(&["announce", id, "--rounds", "1"], 1);
    assert!(silent.stdout.contains("is down"), "{silent:?}");
    bench.in_vip(&format!("ip link set {} up", bench.device()));
    agent.finish(process);
}
