//! A load balancer with a VIP of each family, in one namespace and on one device.

use lb_tests::tcp::{EchoServer, Mode, connect, pattern};
use lb_tests::topology::{Layout, SSH_POOL, SSH_POOL_V6};
use lb_tests::{Error, Namespace, Process, wait_for};
use serde_json::Value;

use crate::bench::{Bench, SOON, end};
use crate::pool_file::{PoolFile, ROUND_ROBIN};
use crate::traces::assert_none;

/// The bench's pool is the one of IPv6; the other is returned with its servers.
fn dual() -> (Bench, PoolFile, [EchoServer; 2]) {
    let bench = Bench::of(&SSH_POOL_V6, &Layout::ONE_ARM, ROUND_ROBIN, &[1, 1]);
    bench.net.also(&SSH_POOL).unwrap();
    let mut other = bench.pool.clone().at("ipv4", SSH_POOL.vip.port());
    other.vip = SSH_POOL.vip;
    let servers = [0, 1].map(|index| {
        other.members[index].address = SSH_POOL.members[index];
        let (host, name) = (&bench.net.members[index], format!("m{}", index + 1));
        EchoServer::start(&host.namespace, &name, SSH_POOL.members[index], Mode::Echo).unwrap()
    });
    (bench, other, servers)
}

fn list(bench: &Bench, command: &str, pool: &str, field: &str) -> Vec<Value> {
    let mut answer = bench.qlb.json([command, pool, "-o", "json"]).unwrap();
    let Value::Array(entries) = answer[field].take() else { panic!("{answer}") };
    entries
}

#[test]
fn both_vips_are_served_and_told_of() {
    let (mut bench, mut other, _servers) = dual();
    for pool in [&mut bench.pool, &mut other] {
        pool.fields.push("session_persistence: {type: SOURCE_IP}".to_owned());
    }
    let file = bench.write("dual.yaml", &[bench.pool.clone(), other.clone()]);
    let mut run = bench.qlb.run(["-f".as_ref(), file.as_os_str()]).unwrap();
    for vip in [bench.vip(), other.vip] {
        assert!(run.stdout().contains(&format!("={vip}/")), "{}", run.stdout());
    }
    let events = bench.qlb.program().to_owned();
    let events = Namespace::root().unwrap().command(events).arg("events");
    let mut events = Process::spawn(events).unwrap();
    let listening = |process: &Process| process.stderr().contains("listening").then_some(());
    events.wait_ready(listening, SOON, "a listener").unwrap();

    let client = &bench.net.client().namespace;
    for pool in [&bench.pool, &other] {
        let mut connection = connect(client, pool.vip).unwrap();
        connection.exchange(&pattern(300_000)).unwrap();
        assert_eq!(connection.seen.ip(), pool.vip.ip());
        let (vip, local) = (pool.vip.to_string(), connection.local.to_string());
        let member = pool.members[0].address.to_string();

        let conns = list(&bench, "conns", &pool.id, "connections");
        assert_eq!(conns.len(), 1);
        for (field, value) in [("vip", &vip), ("client", &local), ("member_address", &member)] {
            assert_eq!(conns[0][field], *value, "{conns:?}");
        }
        assert_eq!(conns[0]["nat"], connection.seen.to_string());
        let kept = list(&bench, "persistence", &pool.id, "clients");
        assert_eq!(kept[0]["client"], connection.local.ip().to_string(), "{kept:?}");
        for (command, words) in [
            ("status", vec![&vip, &member]),
            ("conns", vec![&vip, &local, &member]),
            ("persistence", vec![]),
        ] {
            let table = bench.qlb.command([command, &pool.id]).unwrap();
            let address = connection.local.ip().to_string();
            let words = if words.is_empty() { vec![&address] } else { words };
            for word in words {
                assert!(table.split_whitespace().any(|told| told == word), "{word} in\n{table}");
            }
        }
        let id = pool.id.as_str();
        let told = bench.qlb.command(["member", "drain", id, "m2"]).unwrap();
        assert!(told.contains(&format!("m2 {} ", pool.members[1].address)), "{told}");
        let heard = || {
            let told = events.stdout();
            let line = told.lines().find(|line| line.contains(&local) && line.contains(&vip));
            line.map(str::to_owned).ok_or(told)
        };
        let line = wait_for(heard, SOON, "an event of the connection").unwrap();
        assert!(line.contains(&member), "{line}");
    }
    end(&mut run);
    assert_none(&bench.net);
}

/// A name that is looked up gives both addresses: whoever cannot be served by one is by the other.
#[test]
fn pools_of_either_family_start_and_end_by_themselves() {
    let (bench, other, _servers) = dual();
    let file = bench.write("other.yaml", std::slice::from_ref(&other));
    let client = &bench.net.client().namespace;
    let mut six = bench.run();
    let mut four = bench.qlb.run(["-f".as_ref(), file.as_os_str()]).unwrap();
    for vip in [bench.vip(), other.vip] {
        assert_eq!(connect(client, vip).unwrap().seen.ip(), vip.ip());
    }
    end(&mut six);
    assert_eq!(connect(client, other.vip).unwrap().seen.ip(), other.vip.ip());
    let refused = connect(client, bench.vip()).unwrap_err();
    assert!(refused.to_string().contains("refused"), "{refused}");
    let mut six = bench.run();
    end(&mut four);
    assert_eq!(connect(client, bench.vip()).unwrap().seen.ip(), bench.vip().ip());
    end(&mut six);
    assert_none(&bench.net);
}

#[test]
fn networks_of_clients_are_of_the_vips_family() {
    let mut bench = Bench::of(&SSH_POOL_V6, &Layout::ROUTED, ROUND_ROBIN, &[1, 1]);
    bench.pool.vip_fields.push("allowed_cidrs: [\"2001:db8:c0:34::/64\"]".to_owned());
    bench.pool.fields.push(
        "session_persistence: {type: SOURCE_IP, timeout: 3600, granularity: \"ffff:ffff:ffff::\"}"
            .to_owned(),
    );
    let mut run = bench.run();
    assert_eq!(bench.sequence(3), "m1 m1 m1");
    let kept = list(&bench, "persistence", &bench.pool.id, "clients");
    assert_eq!((kept.len(), &kept[0]["client"]), (1, &"2001:db8:c0::".into()), "{kept:?}");
    // A member is no client that is allowed.
    let member = &bench.net.members[0].namespace;
    let outside = member.run(|| {
        std::net::TcpStream::connect_timeout(&bench.vip(), std::time::Duration::from_millis(300))
    });
    assert_eq!(outside.unwrap().unwrap_err().kind(), std::io::ErrorKind::TimedOut);
    assert!(bench.counter("drop_not_allowed") >= 1);
    end(&mut run);

    bench.pool.vip_fields = vec!["allowed_cidrs: [10.0.0.0/8]".to_owned()];
    let error: Error = bench.run_with(&[]).unwrap_err();
    assert!(error.to_string().contains("10.0.0.0/8 is IPv4 but the VIP is not"), "{error}");
}
