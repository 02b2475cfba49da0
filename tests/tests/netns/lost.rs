//! Devices and namespaces that go away under a pool.

use lb_tests::tcp::{Mode, connect};
use lb_tests::topology::{Layout, LbaasNode, SSH_POOL, WEB_POOL};
use lb_tests::{Namespace, Process, Qlb, wait_until};
use lb_userspace::registry::Registry;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::bench::{Bench, SOON, end, server};
use crate::pool_file::{PoolFile, ROUND_ROBIN, yaml};
use crate::traces::{assert_none, state};

/// Leaves the bench's pool without a controller.
fn keep(bench: &Bench) {
    let mut run = bench.run_with(&["--keep"]).unwrap();
    end(&mut run);
}

fn unplug(bench: &Bench) {
    bench.in_vip(&format!("ip link del {}", bench.device()));
}

#[test]
fn a_controller_without_any_device_ends_and_says_why() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let mut run = bench.run();
    unplug(&bench);
    let status = run.wait(SOON).unwrap();
    assert_eq!(status.code(), Some(1), "{}", run.stderr());
    for word in [bench.pool.id.as_str(), bench.device(), "no longer", "no pool is served any more"]
    {
        assert!(run.stderr().contains(word), "no {word:?} in {}", run.stderr());
    }
    assert_eq!(state(), [""; 0]);
}

#[test]
fn the_other_pools_of_a_controller_go_on() {
    let node = LbaasNode::new().unwrap();
    let [ssh, web] =
        [&SSH_POOL, &WEB_POOL].map(|pool| node.deploy(pool, &Layout::ONE_ARM).unwrap());
    let _server = server(&web, 0, Mode::Echo);
    let pools = [&ssh, &web].map(|net| PoolFile::of(net, ROUND_ROBIN, &[1]));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("two.yaml");
    std::fs::write(&path, yaml(&pools)).unwrap();
    let qlb = Qlb::find().unwrap();
    let mut run = qlb.run(["-f".as_ref(), path.as_os_str()]).unwrap();

    ssh.vip.namespace.command("ip").args(["link", "del", ssh.pool.device]).stdout().unwrap();
    let heard = |run: &Process| run.stderr().contains("no longer").then_some(());
    run.wait_ready(heard, SOON, "the loss told").unwrap();
    let served = || qlb.json(["status", "-o", "json"]).unwrap();
    wait_until(|| served()["pools"].as_array().unwrap().len() == 1, SOON, "one pool left").unwrap();
    assert_eq!(served()["pools"][0]["id"], web.pool.id);
    assert_eq!(connect(&web.client().namespace, web.pool.vip).unwrap().member, "m1");
    end(&mut run);
    assert_none(&web);
}

/// The pins of a pool are removed before its record. Who looks in between waits for the end of it.
#[test]
fn who_looks_at_a_pool_that_is_ending_waits_for_its_end() {
    let node = LbaasNode::new().unwrap();
    let [ending, other] = [&SSH_POOL, &WEB_POOL]
        .map(|pool| Bench::on(&node, pool, &Layout::ONE_ARM, ROUND_ROBIN, &[1, 1]));
    keep(&ending);
    keep(&other);
    let registry = Registry::default();
    let lock = registry.lock().unwrap();
    registry.unpin(&registry.record(&ending.pool.id).unwrap().unwrap()).unwrap();
    let look = |args: &[&str]| {
        let command = Namespace::root().unwrap().command(other.qlb.program()).args(args);
        let mut process = Process::spawn(command).unwrap();
        let waits = |process: &Process| {
            let locks = std::fs::read_to_string("/proc/locks").unwrap();
            let pid = format!(" {} ", process.pid());
            locks.lines().any(|line| line.contains("-> FLOCK") && line.contains(&pid)).then_some(())
        };
        process.wait_ready(waits, SOON, "a look that waits for the lock").unwrap();
        process
    };
    let id = ending.pool.id.as_str();
    let [mut all, mut one, mut events] =
        [&["status", "-o", "json"][..], &["conns", id], &["events", id]].map(look);
    registry.discard(id).unwrap();
    drop(lock);
    let ended = [&mut all, &mut one, &mut events].map(|it| it.wait(SOON).unwrap().code());
    assert_eq!(ended, [Some(0), Some(4), Some(0)], "{}{}", all.stderr(), events.stderr());
    let all: Value = serde_json::from_str(&all.stdout()).unwrap();
    assert_eq!(all["pools"].as_array().unwrap().len(), 1, "{all}");
    assert_eq!(all["pools"][0]["id"], other.pool.id);
    assert!(one.stderr().contains("no pool"), "{}", one.stderr());
    assert!(events.stderr().contains("is not served any more"), "{}", events.stderr());
    other.qlb.command(["stop", other.pool.id.as_str()]).unwrap();
    assert_none(&ending.net);
    assert_none(&other.net);
}

#[test]
fn status_says_that_a_kept_pool_has_lost_its_device_and_stop_removes_it() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    keep(&bench);
    assert_eq!(bench.status()["attached"], true);
    unplug(&bench);
    assert_eq!(bench.status()["attached"], false);
    assert!(bench.qlb.command(["status"]).unwrap().contains("NOT SERVED"));
    bench.qlb.command(["stop", bench.pool.id.as_str()]).unwrap();
    assert_eq!(state(), [""; 0]);
}

#[test]
fn stop_ends_a_kept_pool_but_not_one_that_has_a_controller() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let mut run = bench.run();
    let refused = bench.run_to_end(&["stop", &bench.pool.id]);
    assert_eq!(refused.code, Some(4), "{refused:?}");
    assert!(refused.stderr.contains(&run.pid().to_string()), "{refused:?}");
    assert_eq!(bench.sequence(2), "m1 m2");
    run.stop(Signal::SIGKILL, SOON).unwrap();
    let stopped = bench.run_to_end(&["stop", &bench.pool.id]);
    assert_eq!(stopped.code, Some(0), "{stopped:?}");
    assert_none(&bench.net);
}

#[test]
fn what_is_left_of_a_pool_does_not_keep_its_vip_from_another() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    keep(&bench);
    let node = bench.net.node.clone();
    drop(bench);
    let mut bench = Bench::on(&node, &SSH_POOL, &Layout::ONE_ARM, ROUND_ROBIN, &[1, 1]);
    bench.pool.id = "successor".to_owned();
    let mut run = bench.run();
    assert_eq!(bench.sequence(2), "m1 m2");
    let all = bench.qlb.json(["status", "-o", "json"]).unwrap();
    assert_eq!(all["pools"].as_array().unwrap().len(), 1, "{all}");
    end(&mut run);
    assert_none(&bench.net);
}

#[test]
fn a_pool_starts_while_the_last_other_one_ends() {
    let bench = Bench::new(ROUND_ROBIN, &[1]);
    let other = bench.write("other.yaml", &[bench.second_pool("other")]);
    for round in 0..12 {
        let mut first = bench.run();
        let args = ["run", "-f", other.to_str().unwrap()];
        let root = Namespace::root().unwrap();
        let mut second = Process::spawn(root.command(bench.qlb.program()).args(args)).unwrap();
        first.signal(Signal::SIGTERM).unwrap();
        let ready = |run: &Process| run.stdout().starts_with("ready ").then_some(());
        second.wait_ready(ready, SOON, &format!("round {round}: ready")).unwrap();
        assert_eq!(first.wait(SOON).unwrap().code(), Some(0), "{}", first.stderr());
        let ended = second.stop(Signal::SIGTERM, SOON).unwrap();
        assert_eq!(ended.code(), Some(0), "{}", second.stderr());
        assert_none(&bench.net);
    }
}
