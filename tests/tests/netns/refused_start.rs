//! Starts that cannot be, or that deserve a warning.

use lb_tests::topology::{Layout, WEB_POOL};
use lb_tests::{Error, sysctl};
use nix::sys::signal::Signal;

use crate::bench::{Bench, SOON, end};
use crate::pool_file::{PoolFile, ROUND_ROBIN};
use crate::traces::{assert_none, attachments};

/// The members that the pool has now.
fn members(bench: &Bench) -> Vec<String> {
    let members = bench.qlb.json(["member", "list", &bench.pool.id, "-o", "json"]).unwrap();
    let members = members["members"].as_array().unwrap().clone();
    let state = |member: &serde_json::Value| {
        format!("{} {}", member["id"].as_str().unwrap(), member["state"].as_str().unwrap())
    };
    members.iter().map(state).collect()
}

#[test]
fn a_start_that_fails_changes_nothing_of_what_is_served() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let mut run = bench.run_with(&["--keep"]).unwrap();
    run.stop(Signal::SIGTERM, SOON).unwrap();
    let before = members(&bench);
    let mut changed = bench.pool.clone();
    changed.members.truncate(1);

    // Found before anything is changed.
    let mut homeless = bench.second_pool("other");
    homeless.vip.set_ip([10, 0, 0, 252].into());
    // Found only when the first pool has been changed.
    let web = bench.net.node.deploy(&WEB_POOL, &Layout::ONE_ARM).unwrap();
    sysctl::set(&web.vip.namespace, "net.ipv4.ip_local_port_range", "1024 65535").unwrap();
    let portless = PoolFile::of(&web, ROUND_ROBIN, &[1, 1]);
    for (bad, word) in [(homeless, "10.0.0.252"), (portless, "ip_local_port_range")] {
        let file = bench.write("both.yaml", &[changed.clone(), bad]);
        let answer = bench.run_to_end(&["run", "-f", file.to_str().unwrap()]);
        assert_eq!(answer.code, Some(1), "{answer:?}");
        assert!(answer.stderr.contains(word), "{answer:?}");
        assert_eq!(members(&bench), before);
        assert_eq!(bench.sequence(4).matches("m2").count(), 2);
        let all = bench.qlb.json(["status", "-o", "json"]).unwrap();
        assert_eq!(all["pools"].as_array().unwrap().len(), 1, "{all}");
    }
    bench.qlb.command(["stop", bench.pool.id.as_str()]).unwrap();
    assert_none(&bench.net);
    assert_none(&web);
}

/// A pool that is to move to another device does not leave the first one for a start that fails.
#[test]
fn a_start_that_fails_moves_nothing_to_another_device() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let mut run = bench.run_with(&["--keep"]).unwrap();
    end(&mut run);
    let before = attachments(&bench.net);
    let mut homeless = bench.second_pool("other");
    homeless.vip.set_ip([10, 0, 0, 252].into());
    bench.in_vip("ip link add second type veth peer name beyond");
    bench.in_vip("ip link set second up");
    let vip = bench.vip();
    bench.in_vip(&format!("ip address del {}/24 dev {}", vip.ip(), bench.device()));
    bench.in_vip(&format!("ip address add {}/24 dev second", vip.ip()));
    let file = bench.write("both.yaml", &[bench.pool.clone(), homeless]);
    let answer = bench.run_to_end(&["run", "-f", file.to_str().unwrap()]);
    assert_eq!(answer.code, Some(1), "{answer:?}");
    assert_eq!(attachments(&bench.net), before);
    assert_eq!(bench.status()["device"], bench.device());
    bench.qlb.command(["stop", bench.pool.id.as_str()]).unwrap();
    assert_none(&bench.net);
}

fn start_refused(bench: &Bench, words: &[&str]) {
    match bench.run_with(&[]) {
        Err(error @ Error::Program { .. }) => {
            let text = error.to_string();
            for word in words {
                assert!(text.contains(word), "no {word:?} in {text}");
            }
        }
        other => panic!("{other:?}"),
    }
    assert_none(&bench.net);
}

#[test]
fn a_vip_on_two_devices_or_beside_ethernet_is_refused() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let vip = bench.vip();
    bench.in_vip("ip link add second type veth peer name beyond");
    bench.in_vip(&format!("ip address add {}/24 dev second", vip.ip()));
    start_refused(&bench, &["second", bench.device(), &vip.ip().to_string()]);
    bench.in_vip("ip link del second");
    bench.in_vip(&format!("ip address del {}/24 dev {}", vip.ip(), bench.device()));
    bench.in_vip(&format!("ip address add {}/32 dev lo", vip.ip()));
    start_refused(&bench, &["lo", "not an Ethernet device"]);
}

#[test]
fn members_that_cannot_be_reached_are_named() {
    let mut bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    bench.in_vip("ip link add second type veth peer name beyond");
    bench.in_vip("ip link set second up");
    bench.in_vip("ip address add 10.9.9.1/24 dev second");
    bench.in_vip("ip route add unreachable 10.8.8.0/24");
    bench.pool.members[1].address.set_ip([10, 9, 9, 2].into());
    let mut run = bench.run();
    assert!(
        run.stderr().contains("10.9.9.2 is reached through another device"),
        "{}",
        run.stderr()
    );
    assert_eq!(run.stderr().matches("its connections will fail").count(), 1, "{}", run.stderr());
    let id = bench.pool.id.as_str();
    for (address, words) in [("10.8.8.8", "has no route"), ("10.9.9.1", "own namespace")] {
        let add = ["member", "add", id, "--address", address, "--port", "22"];
        let answer = bench.run_to_end(&add);
        assert_eq!(answer.code, Some(0), "{answer:?}");
        assert!(answer.stderr.contains(&format!("{address} ")), "{answer:?}");
        assert!(answer.stderr.contains(words), "{answer:?}");
    }
    end(&mut run);
    assert_none(&bench.net);
}
