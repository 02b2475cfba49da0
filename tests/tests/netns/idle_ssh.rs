//! Idle ssh logins, by a real client and real servers.

use std::net::SocketAddr;

use lb_tests::{SshKeys, SshSession, Sshd, sysctl, wait_until};

use crate::bench::{Bench, SOON};
use crate::pool_file::{PoolFile, ROUND_ROBIN};
use crate::reset::{assert_one_exact_reset, capture};

/// Milliseconds; longer than the interval of keepalives.
const IDLE: u32 = 6_000;

fn timeouts(keepalive_counts: bool) -> Vec<String> {
    vec![format!(
        "timeouts: {{client: {IDLE}, server: {IDLE}, keepalive_counts: {keepalive_counts}}}"
    )]
}

/// Two pools of the same member: one whose connections live by keepalives, one that hears only data.
struct Logins {
    bench: Bench,
    deaf: PoolFile,
    keys: SshKeys,
    sshd: Sshd,
}

impl Logins {
    fn new() -> Self {
        let mut bench = Bench::new(ROUND_ROBIN, &[1]);
        bench.servers.clear();
        let keys = SshKeys::generate().unwrap();
        let member = &bench.net.members[0];
        let sshd = Sshd::start(&member.namespace, "m1", bench.net.member_socket(0), &keys).unwrap();
        // Both ends of a login ask the kernel for keepalives (TCPKeepAlive of ssh_config(5), sshd_config(5)).
        for host in [bench.net.client(), member] {
            sysctl::set(&host.namespace, "net.ipv4.tcp_keepalive_time", "1").unwrap();
            sysctl::set(&host.namespace, "net.ipv4.tcp_keepalive_intvl", "1").unwrap();
        }
        bench.pool.fields = timeouts(true);
        let mut deaf = bench.second_pool("deaf");
        deaf.fields = timeouts(false);
        Self { bench, deaf, keys, sshd }
    }

    fn log_in(&self, pool: &PoolFile, options: &[&str]) -> SshSession {
        let client = &self.bench.net.client().namespace;
        SshSession::open(client, pool.vip.ip(), &self.keys, options).unwrap()
    }

    /// The client's own end of a login to the deaf pool.
    fn client(&self, login: &SshSession) -> SocketAddr {
        let conns = self.bench.qlb.json(["conns", "deaf", "-o", "json"]).unwrap();
        let mut conns = conns["connections"].as_array().unwrap().iter();
        let conn = conns.find(|conn| conn["nat"] == login.seen.to_string());
        conn.and_then(|conn| conn["client"].as_str()).unwrap().parse().unwrap()
    }

    /// Connections that ran out in a pool, and resets for their ends.
    fn counters(&self, pool: &PoolFile) -> [u64; 2] {
        let status = self.bench.qlb.json(["status", pool.id.as_str(), "-o", "json"]).unwrap();
        let counters = &status["pools"][0]["counters"];
        ["connection_expired", "reset_sent"].map(|name| counters[name].as_u64().unwrap())
    }

    /// Waits until ssh notices the end of a login, which must be a reset, and sshd as well.
    fn wait_reset(&mut self, mut login: SshSession) {
        let (code, words) = login.wait_end().unwrap();
        assert_eq!(code, Some(255), "{words}");
        // What it read is not said any more when its farewell cannot be written.
        let reset = ["Connection reset by peer", "Broken pipe"];
        assert!(reset.iter().any(|reset| words.contains(reset)), "{words}");
        let from = format!("{} port {}", login.seen.ip(), login.seen.port());
        let sshd = self.sshd.process();
        let told = || {
            let log = sshd.stderr();
            log.lines()
                .any(|line| line.contains(&from) && line.contains("Connection reset by peer"))
        };
        let log = sshd.stderr();
        wait_until(told, SOON, "a reset in sshd's log")
            .unwrap_or_else(|error| panic!("{error}\n{log}"));
    }
}

#[test]
fn an_ssh_login_lives_by_what_its_pool_takes_for_life() {
    let mut logins = Logins::new();
    let file = logins.bench.write("pools.yaml", &[logins.bench.pool.clone(), logins.deaf.clone()]);
    let _run = logins.bench.qlb.run(["-f".as_ref(), file.as_os_str()]).unwrap();
    let mut kept = logins.log_in(&logins.bench.pool, &[]);

    let deaf = logins.deaf.clone();
    let filter = format!("tcp and host {}", deaf.vip.ip());
    let hosts = [logins.bench.net.client(), &logins.bench.net.members[0]];
    let [mut at_client, mut at_member] = hosts.map(|host| capture(host, &filter));
    let silent = logins.log_in(&deaf, &[]);
    let (client, seen, at) = (logins.client(&silent), silent.seen, silent.at);
    logins.wait_reset(silent);
    assert_one_exact_reset(&mut at_client, client, deaf.vip);
    assert_one_exact_reset(&mut at_member, at, seen);

    // What ssh itself asks the server is data, wherever it is idle else.
    let mut talking =
        logins.log_in(&deaf, &["-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=30"]);
    // One after the other, each takes at least the timeout.
    for _ in 0..2 {
        let silent = logins.log_in(&deaf, &[]);
        logins.wait_reset(silent);
    }
    assert!(kept.repeats("the quick brown fox"), "keepalives");
    assert!(talking.repeats("the quick brown fox"), "ServerAliveInterval");
    // Those of the device that both pools are at.
    assert_eq!(logins.counters(&deaf), [3, 6]);
    assert_eq!(logins.counters(&logins.bench.pool), [3, 6]);
    assert!(kept.close().unwrap() && talking.close().unwrap());
}
