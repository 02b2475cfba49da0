//! Packets that go by without coming to the VIP's device, at the outer end of its veth: when, what that needs, and who takes it over.

use std::time::Instant;

use lb_tests::Error;
use lb_tests::tcp::{connect, pattern};
use lb_tests::topology::{Layout, SSH_POOL, SSH_POOL_V6};
use lb_userspace::registry::{Record, Registry};
use nix::sys::signal::Signal;

use crate::bench::{Bench, SOON, end};
use crate::pool_file::ROUND_ROBIN;
use crate::shared::Node;
use crate::traces::{NEITHER, assert_none, attachments, leaving};
use crate::xdp::peer;

pub(crate) const HOST: [&str; 2] = ["--attach", "host"];
pub(crate) const TC: [&str; 2] = ["--attach", "tc"];

/// The programs where frames leave by the VIP's device and by its outer end.
const BOTH: [[&str; 1]; 2] = [["qlb_learn"], ["qlb_outer"]];

/// A bench of each family.
pub(crate) fn benches(weights: &[u32]) -> impl Iterator<Item = Bench> {
    let of = |pool| Bench::of(pool, &Layout::ONE_ARM, ROUND_ROBIN, weights);
    [&SSH_POOL, &SSH_POOL_V6].into_iter().map(of)
}

/// Packets that the VIP's device has received, and packets that have gone by.
pub(crate) fn ways(bench: &Bench) -> (u64, u64) {
    let show = bench.in_vip(&format!("ip -json -s link show dev {}", bench.device()));
    let links: serde_json::Value = serde_json::from_str(&show).unwrap();
    (links[0]["stats64"]["rx"]["packets"].as_u64().unwrap(), bench.counter("outer_forwarded"))
}

/// Fails unless packets of the connection go by, or unless none does.
pub(crate) fn exchange(bench: &Bench, held: &mut lb_tests::tcp::Connection, goes_by: bool) {
    let before = ways(bench);
    for _ in 0..50 {
        held.exchange(&pattern(1_000)).unwrap();
    }
    let now = ways(bench);
    let (came, went) = (now.0 - before.0, now.1 - before.1);
    match goes_by {
        // Some second or other may have begun, and neighbours ask for each other.
        true => assert!(went >= 90 && came < 20, "{came} came, {went} went by"),
        false => assert!(went == 0 && came >= 100, "{came} came, {went} went by"),
    }
}

#[test]
fn packets_of_known_connections_do_not_come_to_the_device() {
    for bench in benches(&[1, 1]) {
        let mut run = bench.run_with(&HOST).unwrap();
        assert!(run.stdout().contains("/host+tcx"), "{}", run.stdout());
        let log = run.stderr();
        let words = format!("{} is served by TC on both of its ends: as asked for", bench.device());
        assert!(log.contains(&words), "{log}");
        assert_eq!(attachments(&bench.net).len(), 1);
        assert_eq!(leaving(&bench.net), BOTH);
        assert_eq!(bench.sequence(4), "m1 m2 m1 m2");
        let mut held = bench.connect();
        held.exchange(&pattern(10_000)).unwrap();
        exchange(&bench, &mut held, true);
        held.finish().unwrap();
        bench.wait_idle();
        let status = bench.counted_alike();
        assert_eq!(status["outer"], true, "{status}");
        let counted = |name: &str| status["counters"][name].as_u64().unwrap();
        assert_eq!(counted("connection_closed"), 5, "{status}");
        let table = bench.qlb.command(["status", bench.pool.id.as_str()]).unwrap();
        assert!(table.contains("(host+tcx)"), "{table}");
        end(&mut run);
        assert_none(&bench.net);
    }
}

/// Where many come, the kernel has just sent a packet to each member.
#[test]
fn most_of_many_syns_do_not_come_to_the_device() {
    const MANY: usize = 500;
    for bench in benches(&[1, 1]) {
        let _run = bench.run_with(&HOST).unwrap();
        drop(bench.connect());
        bench.wait_idle();
        let (before, start) = (ways(&bench).0, Instant::now());
        let held = bench.hold(MANY);
        let (came, took) = (ways(&bench).0 - before, start.elapsed());
        let status = bench.status();
        // Each member needs to be sent one by the kernel each 134 ms, the more the longer a busy machine takes.
        let needed = 2 * took.as_millis() as u64 / 134;
        assert!(came < MANY as u64 / 4 + needed, "{came} of {MANY} in {took:?}: {status}");
        assert_eq!(bench.members("active_connections"), [MANY as u64 / 2; 2]);
        assert_eq!(bench.members("failed_connections"), [0, 0]);
        drop(held);
        bench.wait_idle();
        bench.counted_alike();
    }
}

#[test]
fn the_programs_outlive_their_controller_and_the_next_one_takes_them_over() {
    for hook in ["tcx", "clsact"] {
        outlive_their_controller(hook);
    }
}

fn outlive_their_controller(hook: &str) {
    let bench = Bench::new(ROUND_ROBIN, &[1]);
    let attach = |choice| ["--attach", choice, "--hook", hook];
    let mut run = bench.run_with(&attach("host")).unwrap();
    let mut held = bench.connect();
    exchange(&bench, &mut held, true);
    run.stop(Signal::SIGKILL, SOON).unwrap();
    assert_eq!(leaving(&bench.net), BOTH);
    exchange(&bench, &mut held, true);

    // The next one, and one that is killed as well.
    let mut run = bench.run_with(&attach("host")).unwrap();
    assert_eq!(
        (attachments(&bench.net).len(), leaving(&bench.net)),
        (1, BOTH.map(|of| of.map(str::to_owned).into()))
    );
    exchange(&bench, &mut held, true);
    run.stop(Signal::SIGKILL, SOON).unwrap();

    // The next one may choose otherwise, and the one after that the same again.
    let mut run = bench.run_with(&attach("tc")).unwrap();
    assert_eq!(leaving(&bench.net), NEITHER);
    assert_eq!(bench.status()["outer"], false);
    exchange(&bench, &mut held, false);
    run.stop(Signal::SIGKILL, SOON).unwrap();
    let mut run = bench.run_with(&["--attach", "host", "--hook", hook, "--keep"]).unwrap();
    exchange(&bench, &mut held, true);
    end(&mut run);
    exchange(&bench, &mut held, true);
    drop(held);
    bench.qlb.command(["stop", bench.pool.id.as_str()]).unwrap();
    assert_none(&bench.net);
}

/// A controller may be killed between putting the programs there and writing that down.
#[test]
fn programs_that_nobody_has_noted_are_found() {
    let bench = Bench::new(ROUND_ROBIN, &[1]);
    let registry = Registry::default();
    let id = bench.pool.id.as_str();
    let killed = || {
        let mut run = bench.run_with(&HOST).unwrap();
        run.stop(Signal::SIGKILL, SOON).unwrap();
        let record = registry.record(id).unwrap().unwrap();
        registry.put(id, &Record { outer: None, ..record }).unwrap();
    };
    killed();
    let mut run = bench.run_with(&HOST).unwrap();
    assert_eq!(leaving(&bench.net), BOTH);
    exchange(&bench, &mut bench.connect(), true);
    end(&mut run);
    assert_none(&bench.net);

    killed();
    let mut run = bench.run_with(&TC).unwrap();
    assert_eq!(leaving(&bench.net), NEITHER);
    run.stop(Signal::SIGKILL, SOON).unwrap();
    killed();
    bench.qlb.command(["stop", id]).unwrap();
    assert_none(&bench.net);
}

/// What is missing is named, and nothing is changed; who has not asked for it is served without.
#[test]
fn a_device_without_another_end_is_refused() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let (namespace, device) = peer(&bench.net);
    let tc = |line: &str| namespace.command("tc").args(line.split(' ')).stdout().unwrap();
    tc(&format!("qdisc add dev {device} root tbf rate 100mbit burst 32kbit latency 50ms"));
    let refused = |words: &[&str]| {
        let text = match bench.run_with(&HOST) {
            Err(error @ Error::Program { .. }) => error.to_string(),
            other => panic!("{other:?}"),
        };
        for word in words {
            assert!(text.contains(word), "no {word:?} in {text}");
        }
        assert_none(&bench.net);
    };
    refused(&[device, "qdisc tbf", &format!("tc qdisc del dev {device} root"), "--attach tc"]);
    by_tc(&bench, &format!("TC on both of its ends would need more: {device} has the qdisc tbf"));
    tc(&format!("qdisc del dev {device} root"));

    let inner = bench.device();
    bench.in_vip(&format!(
        "tc qdisc add dev {inner} root tbf rate 100mbit burst 32kbit latency 50ms"
    ));
    refused(&[inner, "qdisc tbf"]);
    by_tc(&bench, &format!("TC on both of its ends would need more: {inner} has the qdisc tbf"));
    bench.in_vip(&format!("tc qdisc del dev {inner} root"));

    let mut pool = bench.second_pool("tap");
    pool.vip.set_ip([10, 0, 99, 1].into());
    for line in [
        "ip tuntap add dev tap9 mode tap",
        "ip address add 10.0.99.1/24 dev tap9",
        "ip link set tap9 up",
    ] {
        bench.in_vip(line);
    }
    let file = bench.write("tap.yaml", &[pool]);
    let args = ["run", "-f", file.to_str().unwrap(), "--attach", "host"];
    let answer = bench.run_to_end(&args);
    assert_eq!(answer.code, Some(4), "{answer:?}");
    assert!(answer.stderr.contains("only a veth has another end"), "{answer:?}");
    bench.in_vip("ip link delete tap9");
    assert_none(&bench.net);
    end(&mut bench.run_with(&HOST).unwrap());
    assert_none(&bench.net);
}

/// What other switches make of packets that go by is not known.
#[test]
fn the_outer_end_is_chosen_only_at_a_bridge() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let (namespace, device) = peer(&bench.net);
    let ip = |line: &str| _ = namespace.command("ip").args(line.split(' ')).stdout().unwrap();
    ip(&format!("link set dev {device} nomaster"));
    by_tc(&bench, &format!("its other end {device} is no port of a bridge"));
}

/// Fails unless the device is served by TC alone, because of `why`.
fn by_tc(bench: &Bench, why: &str) {
    let mut run = bench.run();
    let log = run.stderr();
    assert!(log.contains(&format!("{} is served by TC: {why}", bench.device())), "{log}");
    assert_eq!(leaving(&bench.net), NEITHER);
    assert_eq!(bench.status()["outer"], false);
    end(&mut run);
    assert_none(&bench.net);
}

#[test]
fn a_second_pool_on_the_device_joins_the_first() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let other = bench.second_pool("other");
    let vip = other.vip;
    let mut first = bench.run_with(&HOST).unwrap();
    let file = bench.write("other.yaml", &[other]);
    let mut second = bench.qlb.run(["-f".as_ref(), file.as_os_str()]).unwrap();
    assert_eq!(leaving(&bench.net), BOTH);
    assert_eq!(bench.sequence(2), "m1 m2");
    let mut held = connect(&bench.net.client().namespace, vip).unwrap();
    exchange(&bench, &mut held, true);
    end(&mut first);
    held.exchange(&pattern(10_000)).unwrap();
    assert_eq!(leaving(&bench.net), BOTH);
    drop(held);
    end(&mut second);
    assert_none(&bench.net);
}

/// Nobody has asked for the outer end, so nobody is refused because of it.
#[test]
fn a_second_pool_that_finds_a_rate_limit_has_both_served_without() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let mut first = bench.run();
    assert_eq!(leaving(&bench.net), BOTH);
    let (namespace, device) = peer(&bench.net);
    let tc = |line: &str| _ = namespace.command("tc").args(line.split(' ')).stdout().unwrap();
    tc(&format!("qdisc add dev {device} root tbf rate 100mbit burst 32kbit latency 50ms"));
    let file = bench.write("other.yaml", &[bench.second_pool("other")]);
    let mut second = bench.qlb.run(["-f".as_ref(), file.as_os_str()]).unwrap();
    let log = second.stderr();
    assert!(log.contains("is served by TC: TC on both of its ends would need more"), "{log}");
    assert_eq!(leaving(&bench.net), NEITHER);
    assert_eq!(bench.status()["outer"], false);
    exchange(&bench, &mut bench.connect(), false);
    end(&mut first);
    end(&mut second);
    tc(&format!("qdisc del dev {device} root"));
    assert_none(&bench.net);
}

/// They have the same addresses, and each has next hops of its own.
#[test]
fn devices_that_share_programs_are_passed_by() {
    let node = Node::new(3);
    let mut agent = node.agent_with(&HOST);
    let mut held: Vec<_> = (0..3).map(|tenant| node.connect(tenant, 30_000)).collect();
    for _ in 0..50 {
        held.iter_mut().for_each(|one| one.exchange(&pattern(1_000)).unwrap());
    }
    for tenant in 0..3 {
        let went = node.counter(tenant, "outer_forwarded");
        assert!(went >= 90, "{tenant}: {went}");
        let status = node.status(tenant);
        assert_eq!(status["hook"], "tcx");
        assert_eq!(status["outer"], true, "{status}");
    }
    // Another agent replaces the programs of all of them.
    agent.stop(Signal::SIGKILL, SOON).unwrap();
    let mut agent = node.agent_with(&HOST);
    let before: Vec<u64> = (0..3).map(|it| node.counter(it, "outer_forwarded")).collect();
    for _ in 0..50 {
        held.iter_mut().for_each(|one| one.exchange(&pattern(1_000)).unwrap());
    }
    for (tenant, before) in before.into_iter().enumerate() {
        let went = node.counter(tenant, "outer_forwarded") - before;
        assert!(went >= 90, "{tenant}: {went}");
    }
    drop(held);
    node.finish(&mut agent);
}
