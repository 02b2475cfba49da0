//! Confs that HAProxy served, and exactly what qlb makes of them.

#![allow(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use lb_userspace::config::model::{
    LbMethod, Mode, MonitorCheck, PoolSpec, Protocol, SessionPersistence, Timeouts,
};
use lb_userspace::config::report::{self, Outcome};
use lb_userspace::config::{Format, LoadOptions, Loaded, Verdict, load, parse, servable, yaml};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read_with(path: &str, fallback: bool) -> Loaded {
    let options = LoadOptions { persistence_fallback_source_ip: fallback };
    parse(path, &fs::read(root().join(path)).unwrap(), &options).unwrap()
}

fn read(path: &str) -> Loaded {
    read_with(path, false)
}

fn only(loaded: &Loaded) -> &PoolSpec {
    assert_eq!(loaded.pools.len(), 1);
    &loaded.pools[0]
}

fn lines(loaded: &Loaded) -> Vec<(usize, Verdict)> {
    loaded.findings.iter().map(|finding| (finding.line, finding.verdict)).collect()
}

#[test]
fn the_ssh_pool_is_native_and_served() {
    let loaded = read("examples/574a31da-a28a-449f-8c9d-3d3687c3c02a/conf");
    let pool = only(&loaded);
    assert_eq!((loaded.verdict(), lines(&loaded)), (Verdict::Native, vec![]));
    assert_eq!(pool.id.as_str(), "574a31da-a28a-449f-8c9d-3d3687c3c02a");
    assert_eq!(pool.namespace(), "qlbaas-574a31da-a28a-449f-8c9d-3d3687c3c02a");
    let vip = pool.vip.as_ref().unwrap();
    assert_eq!(vip.id.as_str(), "df25900f-53b1-4aab-8436-8411ec710445");
    assert_eq!((vip.address.to_string().as_str(), vip.port.get()), ("10.0.0.250", 22));
    assert_eq!((pool.protocol, pool.lb_method), (Protocol::Tcp, LbMethod::LeastConnections));
    let members: Vec<_> = pool
        .members
        .iter()
        .map(|m| (m.address.to_string(), m.port.get(), m.weight.get(), m.admin_state_up))
        .collect();
    assert_eq!(members, [("10.0.0.2".into(), 22, 1, true), ("10.0.0.4".into(), 22, 1, true)]);
    assert_eq!((pool.monitors.len(), &pool.session_persistence), (0, &None));
    assert_eq!(pool.timeouts, Timeouts::default());
    let fields: Vec<_> = servable(pool, []).unwrap().into_iter().map(|n| n.field).collect();
    assert_eq!(fields, [""; 0]);
}

#[test]
fn the_web_pool_is_degraded_by_http_only() {
    let loaded = read("examples/8c1f6d2e-5b7a-4e39-9d40-2a6b7c8d9e01/conf");
    let pool = only(&loaded);
    let expected = [18, 20, 22, 24].map(|line| (line, Verdict::Degraded)).to_vec();
    assert_eq!((loaded.verdict(), lines(&loaded)), (Verdict::Degraded, expected));
    assert_eq!((pool.protocol, pool.lb_method), (Protocol::Http, LbMethod::RoundRobin));
    let monitor = &pool.monitors[0];
    assert_eq!((monitor.delay.as_f64(), monitor.timeout.as_f64()), (5.0, 5.0));
    assert_eq!((monitor.max_retries.get(), monitor.max_retries_down.get()), (2, 3));
    let MonitorCheck::Http(http) = &monitor.check else { panic!("{monitor:?}") };
    assert_eq!((http.http_method.as_str(), http.url_path.as_str()), ("GET", "/"));
    let fields: Vec<_> = servable(pool, []).unwrap().into_iter().map(|n| n.field).collect();
    assert_eq!(fields, ["protocol"]);
}

#[test]
fn the_mysql_pool_is_native_and_served() {
    let loaded = read("examples/haproxy/mysql-tcp.conf");
    let pool = only(&loaded);
    assert_eq!((loaded.verdict(), lines(&loaded)), (Verdict::Native, vec![]));
    assert_eq!(pool.vip.as_ref().unwrap().connection_limit, Some(500));
    assert_eq!(pool.session_persistence, Some(SessionPersistence::SOURCE_IP));
    let weights: Vec<_> = pool.members.iter().map(|m| m.weight.get()).collect();
    assert_eq!(weights, [10, 5, 0]);
    let monitor = &pool.monitors[0];
    assert_eq!((&monitor.check, monitor.delay.as_f64()), (&MonitorCheck::Tcp, 5.0));
    assert_eq!((monitor.timeout.as_f64(), monitor.max_retries_down.get()), (3.0, 3));
    let fields: Vec<_> = servable(pool, []).unwrap().into_iter().map(|n| n.field).collect();
    assert_eq!(fields, ["vip.connection_limit"]);
}

#[test]
fn cookies_are_unsupported_unless_the_operator_accepts_the_client_address() {
    let degraded = |line| (line, Verdict::Degraded);
    let loaded = read("examples/haproxy/http-cookie.conf");
    let mut expected = [18, 20, 22, 24].map(degraded).to_vec();
    expected.push((28, Verdict::Unsupported));
    assert_eq!((loaded.verdict(), lines(&loaded)), (Verdict::Unsupported, expected));
    assert_eq!(only(&loaded).session_persistence, Some(SessionPersistence::HttpCookie));
    let MonitorCheck::Http(http) = &only(&loaded).monitors[0].check else {
        panic!("not an HTTP monitor")
    };
    assert_eq!(http.url_path, "/health?x=1");
    assert_eq!(http.expected_codes.to_string(), "200-204");

    let loaded = read_with("examples/haproxy/http-cookie.conf", true);
    let expected = [18, 20, 22, 24, 28].map(degraded).to_vec();
    assert_eq!((loaded.verdict(), lines(&loaded)), (Verdict::Degraded, expected));
    assert_eq!(only(&loaded).session_persistence, Some(SessionPersistence::SOURCE_IP));
}

#[test]
fn the_ipv6_pool_is_native_and_its_https_monitor_is_a_tls_hello() {
    let loaded = read("examples/haproxy/https-v6.conf");
    let pool = only(&loaded);
    let expected = vec![(26, Verdict::Native)];
    assert_eq!((loaded.verdict(), lines(&loaded)), (Verdict::Native, expected));
    assert!(loaded.findings[0].text.contains("HEAD /, expecting 200"));
    assert_eq!(pool.vip.as_ref().unwrap().address.to_string(), "2001:db8:5::20");
    assert_eq!((pool.lb_method, pool.admin_state_up), (LbMethod::SourceIp, false));
    assert_eq!(pool.monitors[0].check, MonitorCheck::TlsHello);
    assert_eq!(pool.monitors[0].max_retries_down.get(), 10);
    let members: Vec<_> = pool.members.iter().map(|m| (m.port.get(), m.weight.get())).collect();
    assert_eq!(members, [(443, 256), (8443, 1)]);
    assert!(servable(pool, []).is_ok(), "IPv6 is served");
}

#[test]
fn every_good_conf_is_reported_as_expected_and_survives_yaml() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut seen = 0;
    for entry in fs::read_dir(root().join("tests/corpus/good")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "conf") {
            continue;
        }
        seen += 1;
        let name = format!("tests/corpus/good/{}", path.file_name().unwrap().to_str().unwrap());
        let loaded = read(&name);
        let mut report = Vec::new();
        report::check(&mut report, &name, &loaded).unwrap();
        let report = String::from_utf8(report).unwrap();
        let expect = root().join(format!("{name}.expect"));
        if update {
            fs::write(&expect, &report).unwrap();
        }
        assert_eq!(report, fs::read_to_string(&expect).unwrap(), "{name}");
        let yaml = yaml::print(&loaded.pools).unwrap();
        assert_eq!(yaml::parse("x", &yaml).unwrap(), loaded.pools, "{name}");
    }
    assert!(seen >= 5, "only {seen} good confs");
}

#[test]
fn import_prints_yaml_to_one_writer_and_talks_to_the_other() {
    let file = "examples/haproxy/http-cookie.conf";
    let loaded = read(file);
    let (mut out, mut talk) = (Vec::new(), Vec::new());
    let outcome = report::import(&mut out, &mut talk, file, &loaded).unwrap();
    assert_eq!((outcome, outcome.code()), (Outcome::Refused, 2));
    let printed = String::from_utf8(out).unwrap();
    assert_eq!(yaml::parse("x", &printed).unwrap(), loaded.pools);
    let talk = String::from_utf8(talk).unwrap();
    assert_eq!(talk.lines().next(), Some("verdict: unsupported"));
    let cookie = format!("{file}:28: unsupported: `cookie SRV`: ");
    assert!(talk.lines().any(|line| line.starts_with(&cookie)), "{talk}");
}

#[test]
fn import_says_of_each_pool_whether_it_is_served_and_the_verdict_alone_is_its_outcome() {
    let said = |file| {
        let loaded = read(file);
        let mut talk = Vec::new();
        let outcome = report::import(&mut Vec::new(), &mut talk, file, &loaded).unwrap();
        (outcome, loaded.pools[0].id.to_string(), String::from_utf8(talk).unwrap())
    };
    let (outcome, id, talk) = said("examples/haproxy/mysql-tcp.conf");
    assert_eq!(outcome, Outcome::Accepted);
    let (head, pool) = talk.split_once(&format!("pool {id}\n")).unwrap();
    assert_eq!(head.lines().next(), Some("verdict: native"));
    let pool: Vec<&str> = pool.lines().collect();
    assert_eq!(pool.len(), 2, "{talk}");
    assert!(pool[0].starts_with("  notice: vip.connection_limit: above 500 "), "{talk}");
    assert_eq!(pool[1], "  served: yes");

    let (outcome, _, talk) = said("examples/574a31da-a28a-449f-8c9d-3d3687c3c02a/conf");
    assert_eq!((outcome, talk.lines().last()), (Outcome::Accepted, Some("  served: yes")));
}

/// What `qlb check` says of a file whose two pools are both served.
fn served_both(file: &str) -> String {
    let mut talk = Vec::new();
    let outcome = report::check(&mut talk, file, &read(file)).unwrap();
    let talk = String::from_utf8(talk).unwrap();
    assert_eq!(outcome, Outcome::Accepted, "{talk}");
    assert_eq!(talk.matches("  served: yes").count(), 2, "{talk}");
    talk
}

#[test]
fn the_dual_stack_example_is_served_as_it_is() {
    let file = "examples/ipv6/pool.yaml";
    let talk = served_both(file);
    for words in [
        "vip: [2001:db8:a::250]:443 for 2001:db8::/32, fd00::/8",
        "SOURCE_IP by ffff:ffff:ffff:ffff:: for 360 s",
        "-> [2001:db8:b::4]:8443 weight 2 web2",
        "vip: 10.0.0.250:443",
    ] {
        assert!(talk.contains(words), "{words} in {talk}");
    }
}

#[test]
fn the_yaml_examples_are_the_confs_they_were_made_from() {
    for id in ["574a31da-a28a-449f-8c9d-3d3687c3c02a", "8c1f6d2e-5b7a-4e39-9d40-2a6b7c8d9e01"] {
        let options = LoadOptions::default();
        let conf = load(&root().join(format!("examples/{id}/conf")), &options).unwrap();
        let yaml = load(&root().join(format!("examples/{id}/pool.yaml")), &options).unwrap();
        assert_eq!((conf.format, yaml.format), (Format::Haproxy, Format::Yaml));
        assert_eq!(conf.pools, yaml.pools);
    }
}

#[test]
fn the_example_of_modes_is_served_as_it_is() {
    let file = "examples/modes/pool.yaml";
    let talk = served_both(file);
    for words in [
        "  mode: dnat\n",
        "  mode: dsr\n",
        "notice: mode: dnat: members' way to clients has to lead by the VIP",
        "notice: mode: dsr: answers are not seen",
    ] {
        assert!(talk.contains(words), "{words} in {talk}");
    }
    // What is printed reads back, modes and all.
    let pools = read(file).pools;
    assert_eq!(yaml::parse("again", &yaml::print(&pools).unwrap()).unwrap(), pools);
}

#[test]
fn two_pools_cannot_share_a_member_that_sees_only_clients() {
    let file = "examples/modes/pool.yaml";
    let mut pools = read(file).pools;
    let mut other = pools[0].clone();
    other.id = pools[1].id.clone();
    other.namespace = Some(pools[0].namespace());
    other.vip = pools[1].vip.clone();
    pools[1] = other;
    let refused = servable(&pools[0], &pools).unwrap_err();
    let words = "10.0.1.2:2525 is also a member of pool b04e9d27-15c8-4f6a-9a3b-7de2c8f05163";
    assert!(refused[0].text.starts_with(words), "{refused:?}");
    pools[1].mode = Mode::Nat;
    assert!(servable(&pools[0], &pools).is_ok());
}
