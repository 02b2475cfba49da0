//! In HAProxy's place as Neutron deploys it: `haproxy` in the pool's namespace goes to the background, and the agent serves.

use std::collections::HashMap;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use lb_tests::tcp::{Connection, pattern};
use lb_tests::topology::{Layout, LbaasNode, SSH_POOL, WEB_POOL};
use lb_tests::{wait_for, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::attendance::{Row, ask, parse};
use crate::bench::{Bench, SOON};
use crate::haproxy::Haproxy;
use crate::neutron::{IDLE, Neutron, agent, command_line, memory, node, runs, wait_end};
use crate::pool_file::{LEAST_CONNECTIONS, ROUND_ROBIN};

/// How long whoever deploys is kept for the stats sockets.
const STATISTICS: Duration = Duration::from_secs(2);

/// Each of the seed's members is in the conf as m1 or m2.
const SECOND: &str = "227b69fe-8685-4df6-b2a5-2f964c74886c";

fn bench(lbaas: &LbaasNode) -> Bench {
    Bench::on(lbaas, &SSH_POOL, &Layout::ONE_ARM, LEAST_CONNECTIONS, &[1, 1])
}

fn all_alive(held: &mut [Connection]) {
    for connection in held {
        connection.exchange(&pattern(1_000)).unwrap();
    }
}

/// Fails unless the node comes to be as it was.
fn assert_as_before(before: &[String]) {
    let look = || {
        let now = node();
        if now == before { Ok(()) } else { Err(format!("{now:#?}")) }
    };
    wait_for(look, IDLE, "the node as it was before").unwrap();
}

fn without_second() -> String {
    let conf = Neutron::conf(SSH_POOL.id);
    let lines: Vec<&str> = conf.lines().filter(|line| !line.contains(SECOND)).collect();
    lines.join("\n")
}

/// What Neutron's agent reads at the conf's stats socket. Whoever deploys finds it at once, unless it took longer than
/// that is waited for.
fn statistics(id: &str, patience: Duration) -> HashMap<String, Row> {
    let socket = Neutron::path(id, "sock");
    let ask = || ask(Path::new(&socket), "show stat -1 6 -1\n");
    parse(&wait_for(ask, patience, "statistics").unwrap())
}

#[test]
fn the_seeds_command_line_serves_reloads_and_leaves_nothing() {
    let lbaas = LbaasNode::new().unwrap();
    let before = node();
    let bench = bench(&lbaas);
    let neutron = Neutron::start(&bench.qlb);
    let id = bench.pool.id.as_str();
    // The process before has ended long ago.
    let start = Instant::now();
    let first = neutron.deploy(&bench.net, &["-sf", "17323"]);
    let at_once = if start.elapsed() < STATISTICS { Duration::ZERO } else { SOON };
    let line = command_line(first);
    let (conf, pid) = (Neutron::path(id, "conf"), Neutron::path(id, "pid"));
    assert_eq!(line, format!("haproxy -f {conf} -p {pid} -sf 17323"));
    let name = std::fs::read_to_string(format!("/proc/{first}/comm")).unwrap();
    assert_eq!(name, "haproxy\n");
    eprintln!(
        "{line}\nRSS of the process in the background: {} KiB, of which its own {} KiB; the seed's HAProxy had 1104 KiB",
        memory(first, "VmRSS:"),
        memory(first, "RssAnon:")
    );
    assert!(memory(first, "RssAnon:") < 1_024);
    assert_eq!(bench.sequence(4), "m1 m2 m1 m2");
    // What the process declares is not for others to change.
    for args in [&["pool", "set", id, "--name", "n"][..], &["monitor", "add", id, "--type", "TCP"]]
    {
        let refused = bench.run_to_end(args);
        assert_eq!(refused.code, Some(4), "{refused:?}");
        assert!(refused.stderr.contains(&format!("is that of process {first}")), "{refused:?}");
    }
    let mut held = bench.hold(6);
    assert_eq!(bench.members("active_connections"), [3, 3]);
    let total = bench.status()["connections"]["total"].as_u64().unwrap();
    let rows = statistics(id, at_once);
    assert_eq!([&rows["BACKEND"]["scur"], &rows[SECOND]["scur"]], ["6", "3"]);
    assert_eq!(
        (rows["BACKEND"]["pxname"].as_str(), rows[SECOND]["status"].as_str()),
        (id, "no check")
    );

    Neutron::write(id, &without_second());
    let second = neutron.deploy(&bench.net, &["-sf", &first.to_string()]);
    wait_end(first);
    all_alive(&mut held);
    assert_eq!(bench.sequence(3), "m1 m1 m1");
    let status = bench.status();
    assert_eq!(status["connections"]["active"], 6, "{status}");
    assert_eq!(status["connections"]["total"].as_u64(), Some(total + 3), "{status}");
    let rows = statistics(id, SOON);
    assert_eq!((rows.len(), rows["BACKEND"]["scur"].as_str()), (2, "6"), "{rows:?}");
    assert_eq!(rows["BACKEND"]["stot"], (total + 3).to_string());

    // A signal that HAProxy survives, and a process that is replaced without being told.
    kill(Pid::from_raw(second), Signal::SIGHUP).unwrap();
    Neutron::write(id, Neutron::conf(id));
    let third = neutron.deploy(&bench.net, &[]);
    assert!(runs(second) && second != third);
    kill(Pid::from_raw(second), Signal::SIGKILL).unwrap();
    wait_end(second);
    all_alive(&mut held);
    assert_eq!(bench.hold(2).len(), 2);
    all_alive(&mut held);

    Neutron::undeploy(id);
    drop((held, bench));
    assert_as_before(&before);
    assert!(!neutron.state_dir().parent().unwrap().exists());
}

#[test]
fn an_agent_that_was_killed_comes_back_with_the_next_call_and_knows_who_has_ended() {
    let lbaas = LbaasNode::new().unwrap();
    let before = node();
    let bench = bench(&lbaas);
    let web = Bench::on(&lbaas, &WEB_POOL, &Layout::ONE_ARM, ROUND_ROBIN, &[1, 1]);
    let neutron = Neutron::start(&bench.qlb);
    let first = neutron.deploy(&bench.net, &[]);
    Neutron::write(WEB_POOL.id, &Neutron::unmonitored(WEB_POOL.id));
    neutron.deploy(&web.net, &[]);
    let mut held = bench.hold(4);
    let killed = agent().unwrap();
    kill(Pid::from_raw(killed), Signal::SIGKILL).unwrap();
    wait_end(killed);
    all_alive(&mut held);
    assert_eq!(web.sequence(2).len(), 5);

    // One of them ends while nobody looks.
    let ending = Neutron::pids(WEB_POOL.id);
    Neutron::undeploy(WEB_POOL.id);
    ending.into_iter().for_each(wait_end);
    let second = neutron.deploy(&bench.net, &["-sf", &first.to_string()]);
    wait_end(first);
    assert_ne!(agent(), Some(killed));
    all_alive(&mut held);
    assert_eq!(bench.status()["connections"]["active"], 4);
    let pools = bench.qlb.command(["get", "pools", "--no-headers"]).unwrap();
    assert!(pools.starts_with(SSH_POOL.id) && pools.lines().count() == 1, "{pools}");

    // What is a process's own, nobody else changes.
    let refused = bench.run_to_end(&["member", "set", SSH_POOL.id, SECOND, "--weight", "3"]);
    assert_eq!(refused.code, Some(4), "{refused:?}");
    assert!(refused.stderr.contains(&format!("process {second}")), "{refused:?}");

    kill(Pid::from_raw(second), Signal::SIGTERM).unwrap();
    drop((held, bench, web));
    assert_as_before(&before);
}

#[test]
fn a_running_haproxy_finishes_its_connections_while_qlb_takes_the_new_ones() {
    let lbaas = LbaasNode::new().unwrap();
    let before = node();
    let bench = bench(&lbaas);
    let neutron = Neutron::start(&bench.qlb);
    let id = bench.pool.id.as_str();
    // HAProxy 2.6 wants an end of the last line.
    let conf = Path::new(&Neutron::path(id, "real")).to_owned();
    std::fs::write(&conf, format!("{}\n", Neutron::conf(id))).unwrap();
    let mut real = Haproxy::with_conf(&bench.net.vip.namespace, &conf, &[], &[bench.vip()]);
    let mut old = bench.hold(6);
    assert!(old.iter().all(|held| held.seen.port() >= 32_768));

    let theirs = real.process.pid().to_string();
    neutron.deploy(&bench.net, &["-sf", &theirs]);
    let mut new = bench.hold(6);
    // HAProxy connects from the namespace's local port range, qlb from below it.
    assert!(new.iter().all(|held| held.seen.port() < 32_768), "{new:?}");
    all_alive(&mut old);
    all_alive(&mut new);
    assert_eq!(bench.members("active_connections"), [3, 3]);
    assert_eq!(statistics(id, SOON)["BACKEND"]["scur"], "6");
    assert_eq!(real.process.poll().unwrap(), None, "it has connections");
    drop(old);
    assert_eq!(real.process.wait(SOON).unwrap().code(), Some(0));
    all_alive(&mut new);
    assert_eq!(statistics(id, SOON)["BACKEND"]["scur"], "6");

    Neutron::undeploy(id);
    drop((real, new, bench));
    assert_as_before(&before);
}

#[test]
fn what_cannot_be_served_is_refused_and_leaves_everything_as_it_was() {
    let lbaas = LbaasNode::new().unwrap();
    let bench = bench(&lbaas);
    let neutron = Neutron::start(&bench.qlb);
    let id = bench.pool.id.as_str();
    let before = node();
    let conf = Neutron::conf(id);
    Neutron::write(
        id,
        &conf.replace("\tserver ", "\tcookie SRV insert indirect nocache\n\tserver "),
    );
    let refuses = |more: &[&str], words: &str| {
        let answer = neutron.haproxy(&bench.net, more);
        assert_eq!(answer.code, Some(1), "{answer:?}");
        assert!(answer.stderr.contains("[ALERT] ") && answer.stderr.contains(words), "{answer:?}");
    };
    refuses(&[], "`cookie SRV`");
    assert!(!Path::new(&Neutron::path(id, "pid")).exists());
    assert_eq!(node(), before);

    Neutron::write(id, conf);
    let first = neutron.deploy(&bench.net, &[]);
    let mut held = bench.hold(2);
    // Where the VIP is not, HAProxy could not listen.
    Neutron::write(id, &conf.replace("10.0.0.250", "10.0.0.249"));
    refuses(&["-sf", &first.to_string()], "10.0.0.249");
    assert_eq!(Neutron::pids(id), [first]);
    assert!(runs(first));
    assert_eq!(bench.sequence(2).len(), 5);
    all_alive(&mut held);

    // A file of the agent's own comes first.
    std::fs::create_dir_all(neutron.state_dir()).unwrap();
    let file = neutron.state_dir().join("lb.yaml");
    std::fs::write(&file, crate::pool_file::yaml(std::slice::from_ref(&bench.pool))).unwrap();
    let declared = || {
        let pools = bench.qlb.json(["get", "pools", id, "-o", "json"]).unwrap();
        let declared = pools["pools"][0]["file"] == file.to_str().unwrap();
        if declared { Ok(()) } else { Err(pools.to_string()) }
    };
    wait_for(declared, SOON, "the file's pool").unwrap();
    Neutron::write(id, conf);
    refuses(&["-sf", &first.to_string()], "is declared in");
    all_alive(&mut held);
    std::fs::remove_file(&file).unwrap();
    Neutron::undeploy(id);
    assert_as_before(&before);
}

#[test]
fn two_that_are_started_at_once_share_one_agent() {
    let lbaas = LbaasNode::new().unwrap();
    let before = node();
    let benches =
        [bench(&lbaas), Bench::on(&lbaas, &WEB_POOL, &Layout::ONE_ARM, ROUND_ROBIN, &[1, 1])];
    let neutron = Neutron::start(&benches[0].qlb);
    Neutron::write(WEB_POOL.id, &Neutron::unmonitored(WEB_POOL.id));
    thread::scope(|scope| {
        for bench in &benches {
            scope.spawn(|| neutron.deploy(&bench.net, &[]));
        }
    });
    for bench in &benches {
        assert_eq!(bench.sequence(4), "m1 m2 m1 m2");
    }
    // The other one finds that it is not needed.
    let agents = || node().into_iter().filter(|line| line.contains("qlb agent")).count();
    wait_until(|| agents() == 1, SOON, "one agent").unwrap();
    benches.iter().for_each(|bench| Neutron::undeploy(&bench.pool.id));
    drop(benches);
    assert_as_before(&before);
}
