//! Who is served, and how many at a time: real clients at a VIP that does not take everybody.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::thread;

use lb_tests::tcp::{connect, pattern};
use lb_tests::topology::{Layout, LbaasNode, PoolNet, WEB_POOL};
use lb_tests::{Error, Nginx, Process, Qlb, curl, wait_until};
use serde_json::Value;

use crate::bench::{Bench, SOON, end};
use crate::pool_file::{PoolFile, ROUND_ROBIN, yaml};

/// nginx behind a VIP with these fields.
struct Web {
    _run: Process,
    _nginx: Vec<Nginx>,
    net: PoolNet,
    qlb: Qlb,
}

impl Web {
    fn new(vip_fields: &[&str]) -> Self {
        let net = LbaasNode::new().unwrap().deploy(&WEB_POOL, &Layout::ONE_ARM).unwrap();
        let start = |index: usize| {
            let (host, address) = (&net.members[index], net.member_socket(index));
            Nginx::start(&host.namespace, host.name(), address, 10).unwrap()
        };
        let nginx = vec![start(0), start(1)];
        let mut pool = PoolFile::of(&net, ROUND_ROBIN, &[1, 1]);
        pool.vip_fields = vip_fields.iter().map(|field| (*field).to_owned()).collect();
        let (qlb, dir) = (Qlb::find().unwrap(), tempfile::tempdir().unwrap());
        let file = dir.path().join("pool.yaml");
        std::fs::write(&file, yaml(&[pool])).unwrap();
        let run = qlb.run(["-f".as_ref(), file.as_os_str()]).unwrap();
        Self { _run: run, _nginx: nginx, net, qlb }
    }

    fn get(&self, options: &[&str]) -> Result<u16, Error> {
        let url = format!("http://{}/", self.net.pool.vip);
        curl(&self.net.client().namespace, &url, options).map(|answer| answer.status)
    }

    fn status(&self) -> Value {
        self.qlb.json(["status", self.net.pool.id, "-o", "json"]).unwrap()["pools"][0].take()
    }

    fn counter(&self, name: &str) -> u64 {
        self.status()["counters"][name].as_u64().unwrap()
    }

    /// A connection that nobody sends on.
    fn hold(&self) -> TcpStream {
        let vip: SocketAddr = self.net.pool.vip;
        self.net.client().namespace.run(|| TcpStream::connect(vip)).unwrap().unwrap()
    }
}

/// How a curl ended that got no answer: 7 is refused, 28 is timed out.
fn failure(result: Result<u16, Error>) -> String {
    match result {
        Err(Error::Program { status, .. }) => status,
        other => panic!("{other:?}"),
    }
}

#[test]
fn curl_above_the_limit_is_refused_until_a_connection_ends() {
    let web = Web::new(&["connection_limit: 2", "overflow: reset"]);
    let held = [web.hold(), web.hold()];
    assert_eq!(failure(web.get(&[])), "exit status: 7");
    assert_eq!(web.counter("refuse_connection_limit"), 1);
    assert_eq!(web.status()["connections"]["active"], 2);
    drop(held);
    wait_until(|| web.status()["connections"]["active"] == 0, SOON, "no connection").unwrap();
    assert_eq!(web.get(&[]).unwrap(), 200);
    assert_eq!(web.counter("refuse_connection_limit"), 1);
}

#[test]
fn curl_above_the_limit_waits_for_a_connection_to_end() {
    let web = Web::new(&["connection_limit: 1"]);
    let held = web.hold();
    let answer = thread::scope(|scope| {
        let waiting = scope.spawn(|| web.get(&[]));
        let dropped = || web.counter("drop_connection_limit") >= 1;
        wait_until(dropped, SOON, "a SYN above the limit").unwrap();
        drop(held);
        waiting.join().unwrap()
    });
    assert_eq!(answer.unwrap(), 200);
    assert_eq!(web.status()["connections"]["total"], 2);
}

#[test]
fn curl_is_served_from_an_allowed_network() {
    let web = Web::new(&["allowed_cidrs: [172.16.100.0/24, 192.0.2.7/32]"]);
    assert_eq!(web.get(&[]).unwrap(), 200);
    assert_eq!(web.counter("drop_not_allowed"), 0);
}

#[test]
fn curl_is_not_served_from_elsewhere() {
    let web = Web::new(&["allowed_cidrs: [192.0.2.0/24]"]);
    assert_eq!(failure(web.get(&["--connect-timeout", "1"])), "exit status: 28");
    assert!(web.counter("drop_not_allowed") >= 1);
    assert_eq!(web.status()["connections"]["total"], 0);
}

#[test]
fn a_new_list_of_networks_leaves_connections_alone() {
    let mut bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    bench.pool.vip_fields = vec!["allowed_cidrs: [10.0.0.0/24]".into(), "overflow: reset".into()];
    let mut run = bench.run_with(&["--keep"]).unwrap();
    let mut held = bench.hold(4);
    end(&mut run);
    bench.pool.vip_fields = vec!["allowed_cidrs: [192.0.2.0/24]".into()];
    let mut run = bench.run_with(&["--keep"]).unwrap();
    for connection in &mut held {
        connection.exchange(&pattern(5_000)).unwrap();
    }
    let to = bench.vip().into();
    let brief = std::time::Duration::from_millis(300);
    let attempt = || TcpStream::connect_timeout(&to, brief).map(drop).unwrap_err().kind();
    let kind = bench.net.client().namespace.run(attempt).unwrap();
    assert_eq!(kind, ErrorKind::TimedOut);
    end(&mut run);

    bench.pool.vip_fields = vec!["connection_limit: 4".into(), "overflow: reset".into()];
    let _run = bench.run();
    let Err(Error::Io { source, .. }) = connect(&bench.net.client().namespace, bench.vip()) else {
        panic!("a fifth connection");
    };
    assert_eq!(source.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(bench.counter("refuse_connection_limit"), 1, "held connections count");
    drop(held);
    bench.wait_idle();
    assert_eq!(bench.sequence(2).len(), 5);
}

#[test]
fn a_pool_says_how_many_connections_it_has_room_for_and_when_they_are_many() {
    let mut bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    bench.pool.fields = vec!["max_connections: 10".into()];
    let run = bench.run_with(&["--max-connections", "77"]).unwrap();
    assert_eq!(bench.status()["conntrack"]["capacity"], 20);
    let mut held = bench.hold(7);
    let warned = || run.stderr().contains("nearly full: 16 of 20 entries");
    assert!(!warned(), "{}", run.stderr());
    held.extend(bench.hold(1));
    wait_until(warned, SOON, "a warning").unwrap();
    held.extend(bench.hold(2));
    assert_eq!(bench.status()["conntrack"]["entries"], 20);
    assert_eq!(run.stderr().matches("nearly full").count(), 1, "{}", run.stderr());
}
