//! More than one pool: in namespaces of their own, or on one VIP address.

use std::net::SocketAddr;

use lb_tests::tcp::{EchoServer, Mode, connect, connect_from, pattern};
use lb_tests::topology::{Layout, LbaasNode, PoolNet, SSH_POOL, WEB_POOL};
use lb_tests::{Namespace, Process, Qlb};

use crate::bench::{Bench, SOON, end, numbers, server};
use crate::pool_file::{LEAST_CONNECTIONS, PoolFile, ROUND_ROBIN, yaml};
use crate::traces::assert_none;

/// Servers for a pool of another topology.
fn servers(net: &PoolNet) -> Vec<EchoServer> {
    (0..2).map(|index| server(net, index, Mode::Echo)).collect()
}

#[test]
fn one_controller_serves_two_namespaces() {
    let node = LbaasNode::new().unwrap();
    let ssh = node.deploy(&SSH_POOL, &Layout::ONE_ARM).unwrap();
    let web = node.deploy(&WEB_POOL, &Layout::ONE_ARM).unwrap();
    let _servers = (servers(&ssh), servers(&web));
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, pool: PoolFile| {
        let path = dir.path().join(name);
        std::fs::write(&path, yaml(&[pool])).unwrap();
        path.into_os_string()
    };
    let first = file("ssh.yaml", PoolFile::of(&ssh, LEAST_CONNECTIONS, &[1, 1]));
    let second = file("web.yaml", PoolFile::of(&web, ROUND_ROBIN, &[1, 1]));
    let qlb = Qlb::find().unwrap();
    let mut run = qlb.run(["-f".into(), first, "-f".into(), second]).unwrap();
    assert!(run.stdout().starts_with("ready pools=2 members=4"), "{}", run.stdout());
    for (net, count) in [(&ssh, 4), (&web, 6)] {
        for _ in 0..count {
            let mut connection = connect(&net.client().namespace, net.pool.vip).unwrap();
            assert_eq!(connection.seen.ip(), net.pool.vip.ip());
            connection.exchange(&pattern(10_000)).unwrap();
            // With the member's FIN here it is over for whoever counts.
            connection.finish().unwrap();
        }
        let status = qlb.json(["status", net.pool.id, "-o", "json"]).unwrap();
        let pool = &status["pools"][0];
        assert_eq!(pool["namespace"], net.pool.namespace());
        assert_eq!(pool["device"], net.pool.device);
        assert_eq!(numbers(pool, "total_connections"), [count / 2, count / 2]);
    }
    let all = qlb.json(["status", "-o", "json"]).unwrap();
    assert_eq!(all["pools"].as_array().unwrap().len(), 2);
    end(&mut run);
    assert_none(&ssh);
    assert_none(&web);
}

#[test]
fn pools_in_one_namespace_may_share_members() {
    let bench = Bench::new(ROUND_ROBIN, &[1]);
    let other = bench.second_pool("other");
    let file = bench.write("two.yaml", &[bench.pool.clone(), other.clone()]);
    let mut run = bench.qlb.run(["-f".as_ref(), file.as_os_str()]).unwrap();
    let client = bench.net.client();
    // From ports in the range of NAT ports and above it; each port is used towards both VIPs.
    let mut held = Vec::new();
    for port in (20_000..20_020).chain(40_000..40_020) {
        for vip in [bench.pool.vip, other.vip] {
            let from = SocketAddr::new(client.address(), port);
            let connection = connect_from(&client.namespace, Some(from), vip).unwrap();
            assert_eq!(connection.seen.ip(), vip.ip());
            held.push(connection);
        }
    }
    for (index, connection) in held.iter_mut().enumerate() {
        connection.exchange(&pattern(1_000 + index)).unwrap();
    }
    for id in [bench.pool.id.as_str(), "other"] {
        let status = bench.qlb.json(["status", id, "-o", "json"]).unwrap();
        assert_eq!(numbers(&status["pools"][0], "active_connections"), [40], "{id}");
    }
    drop(held);
    end(&mut run);
    assert_none(&bench.net);
}

#[test]
fn one_port_of_a_vip_belongs_to_one_pool() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let vip = bench.vip().to_string();
    let thief = bench.pool.clone().at("thief", bench.vip().port());
    let files = [("first", &bench.pool), ("second", &thief)]
        .map(|(name, pool)| bench.write(name, std::slice::from_ref(pool)));
    let [first, second] = files.each_ref().map(|path| path.to_str().unwrap());
    let both = bench.run_to_end(&["run", "-f", first, "-f", second]);
    assert_eq!(both.code, Some(2), "{both:?}");
    let address = bench.vip().ip().to_string();
    assert!(both.stderr.contains(&address) && both.stderr.contains("thief"), "{both:?}");
    assert_none(&bench.net);

    let mut run = bench.run();
    let late = bench.run_to_end(&["run", "-f", second]);
    assert_eq!(late.code, Some(4), "{late:?}");
    assert!(late.stderr.contains(&vip) && late.stderr.contains(&bench.pool.id), "{late:?}");
    assert_eq!(bench.sequence(4), "m1 m2 m1 m2");
    end(&mut run);
    assert_none(&bench.net);
}

#[test]
fn one_vip_belongs_to_one_pool_also_in_a_namespace_without_a_name() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let pools = ["one", "two"].map(|id| {
        let mut pool = bench.pool.clone().at(id, bench.vip().port());
        pool.namespace = format!("qlbaas-{id}");
        pool
    });
    let file = bench.write("two.yaml", &pools);
    let inside = ["netns", "exec", bench.net.vip.name(), bench.qlb.program().to_str().unwrap()];
    let words = [inside.as_slice(), &["run", "-f", file.to_str().unwrap()]].concat();
    let command = Namespace::root().unwrap().command("ip").args(words);
    let mut run = Process::spawn(command).unwrap();
    assert_eq!(run.wait(SOON).unwrap().code(), Some(4), "{}{}", run.stdout(), run.stderr());
    for word in ["one", "two", &bench.vip().ip().to_string()] {
        assert!(run.stderr().contains(word), "no {word:?} in {}", run.stderr());
    }
    assert_none(&bench.net);
}
