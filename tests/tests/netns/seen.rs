//! Who sees which address, and real programs at both ends.

use lb_tests::capture::Capture;
use lb_tests::tcp::{FNV_START, fnv1a, pattern};
use lb_tests::topology::{
    Layout, LbaasNode, PoolNet, SSH_POOL, SSH_POOL_V6, SeedPool, WEB_POOL, WEB_POOL_V6,
};
use lb_tests::{Nginx, Process, Qlb, SshKeys, Sshd, curl, iperf3_server, ssh_login, wait_until};

use crate::bench::{Bench, SOON, end};
use crate::host::TC;
use crate::pool_file::{LEAST_CONNECTIONS, PoolFile, ROUND_ROBIN, yaml};
use crate::traces::assert_none;

#[test]
fn members_see_the_vip_and_clients_see_nothing_else() {
    for pool in [&SSH_POOL, &SSH_POOL_V6] {
        members_see_the_vip_of(&Bench::of(pool, &Layout::ONE_ARM, ROUND_ROBIN, &[1, 1]));
    }
}

fn members_see_the_vip_of(bench: &Bench) {
    let _run = bench.run();
    let client = bench.net.client();
    let addresses: Vec<String> =
        bench.net.members.iter().map(|member| format!("host {}", member.address())).collect();
    let device = &client.plugged().device;
    let capture = |filter: &str| Capture::start(&client.namespace, device, filter).unwrap();
    let mut of_members = capture(&format!("tcp and ({})", addresses.join(" or ")));
    let mut of_vip = capture(&format!("tcp and host {}", bench.vip().ip()));
    for _ in 0..10 {
        let mut connection = bench.connect();
        assert_eq!(connection.seen.ip(), bench.vip().ip());
        assert!((1024..=32_767).contains(&connection.seen.port()), "{}", connection.seen);
        connection.exchange(&pattern(50_000)).unwrap();
        connection.finish().unwrap();
    }
    let enough = || of_vip.lines(&[]).unwrap().len() > 100;
    wait_until(enough, SOON, "connections in the capture").unwrap();
    of_members.stop().unwrap();
    of_vip.stop().unwrap();
    assert_eq!(of_members.lines(&[]).unwrap(), [""; 0]);
}

/// Starts `qlb` for a topology.
pub(crate) type Start = fn(&PoolNet, &'static str, &[u32]) -> (Process, Qlb);

/// Serves a topology without servers of this crate, by TC alone.
pub(crate) fn run(net: &PoolNet, method: &'static str, weights: &[u32]) -> (Process, Qlb) {
    run_with(net, method, weights, &TC)
}

/// As [`run`] with more options.
pub(crate) fn run_with(
    net: &PoolNet,
    method: &'static str,
    weights: &[u32],
    options: &[&str],
) -> (Process, Qlb) {
    let qlb = Qlb::find().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pool.yaml");
    std::fs::write(&file, yaml(&[PoolFile::of(net, method, weights)])).unwrap();
    let args = ["-f", file.to_str().unwrap()].into_iter().chain(options.iter().copied());
    (qlb.run(args).unwrap(), qlb)
}

#[test]
fn ssh_through_the_vip() {
    let keys = SshKeys::generate().unwrap();
    for pool in [&SSH_POOL, &SSH_POOL_V6] {
        ssh_through(pool, &keys, run);
    }
}

/// Four logins to two members, and what they have seen. Returns what has served them.
pub(crate) fn ssh_through(
    pool: &SeedPool,
    keys: &SshKeys,
    start: Start,
) -> (Process, Qlb, PoolNet) {
    let net = LbaasNode::new().unwrap().deploy(pool, &Layout::ONE_ARM).unwrap();
    let vip = net.pool.vip.ip();
    let sshd = |index: usize| {
        let (host, address) = (&net.members[index], net.member_socket(index));
        Sshd::start(&host.namespace, host.name(), address, keys).unwrap()
    };
    let mut sshd = [sshd(0), sshd(1)];
    let (run, qlb) = start(&net, LEAST_CONNECTIONS, &[1, 1]);
    let mut served = Vec::new();
    for _ in 0..4 {
        let remote = "echo $QLB_MEMBER $SSH_CONNECTION";
        let answer = ssh_login(&net.client().namespace, vip, keys, remote).unwrap();
        let words: Vec<&str> = answer.split_whitespace().collect();
        served.push(words[0].to_owned());
        assert_eq!(words[1], vip.to_string(), "{answer}");
        // The server's FIN may come after the client has ended.
        let over = || {
            let status = qlb.json(["status", net.pool.id, "-o", "json"]).unwrap();
            status["pools"][0]["connections"]["active"] == 0
        };
        wait_until(over, SOON, "the end of the login").unwrap();
    }
    served.sort();
    let [first, second] = [net.members[0].name(), net.members[1].name()];
    assert_eq!(served, [first, first, second, second]);
    for sshd in &mut sshd {
        let log = sshd.process().stderr();
        assert_eq!(log.matches(&format!("Accepted publickey for root from {vip} ")).count(), 2);
        assert!(!log.contains(&format!("{} ", net.client().address())), "{log}");
    }
    (run, qlb, net)
}

#[test]
fn a_large_file_over_http_through_the_vip() {
    for pool in [&WEB_POOL, &WEB_POOL_V6] {
        a_large_file_through(pool, run);
    }
}

/// Bytes of the large file.
pub(crate) const SIZE: usize = 100_000_000;

/// A large file there and back. Returns what has served it.
pub(crate) fn a_large_file_through(pool: &SeedPool, start: Start) -> (Process, Qlb, PoolNet) {
    let net = LbaasNode::new().unwrap().deploy(pool, &Layout::ONE_ARM).unwrap();
    let (member, address) = (&net.members[0], net.member_socket(0));
    let nginx = Nginx::start(&member.namespace, member.name(), address, SIZE).unwrap();
    let (run, qlb) = start(&net, ROUND_ROBIN, &[1]);
    let (client, vip) = (&net.client().namespace, net.pool.vip);

    let big = curl(client, &format!("http://{vip}/big"), &["--globoff"]).unwrap();
    assert_eq!(big.header("X-Seen-From"), Some(vip.ip().to_string().as_str()));
    assert_eq!(big.body.len(), SIZE);
    let expected = fnv1a(FNV_START, &pattern(SIZE));
    assert_eq!(fnv1a(FNV_START, &big.body), expected);

    let upload = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(upload.path(), &big.body).unwrap();
    let put = ["--globoff", "-T", upload.path().to_str().unwrap()];
    assert_eq!(curl(client, &format!("http://{vip}/upload/x"), &put).unwrap().status, 201);
    let stored = std::fs::read(nginx.uploads().join("x")).unwrap();
    assert_eq!(fnv1a(FNV_START, &stored), expected);
    let status = qlb.json(["status", net.pool.id, "-o", "json"]).unwrap();
    assert_eq!(status["pools"][0]["connections"]["total"], 2);
    (run, qlb, net)
}

/// Bytes of the stream.
pub(crate) const STREAM: u64 = 200 << 20;

/// A stream there and one back. Returns what has served them.
pub(crate) fn iperf3_through(pool: &SeedPool, start: Start) -> (Process, Qlb, PoolNet) {
    let net = LbaasNode::new().unwrap().deploy(pool, &Layout::ONE_ARM).unwrap();
    let port = net.pool.vip.port().to_string();
    let (running, qlb) = start(&net, ROUND_ROBIN, &[1]);
    let vip = net.pool.vip.ip().to_string();
    for direction in [[].as_slice(), &["-R"]] {
        let mut server = iperf3_server(&net.members[0].namespace, &["-1", "-p", &port]).unwrap();
        let client = net.client().namespace.command("iperf3").args(["-c", &vip, "-p", &port]);
        let text = client.args(["-n", "200M", "--json"]).args(direction).stdout().unwrap();
        let report: serde_json::Value = serde_json::from_str(&text).unwrap();
        let bytes = |sum: &str| report["end"][sum]["bytes"].as_u64().unwrap();
        assert!(bytes("sum_sent") >= STREAM, "{report}");
        // What is on its way when all has been sent is not waited for.
        assert!(bytes("sum_received") > STREAM / 2, "{report}");
        assert!(server.wait(SOON).unwrap().success());
    }
    (running, qlb, net)
}

/// Ends what has served; a program in front must have forwarded more packets than these, by its counter.
pub(crate) fn finish((mut run, qlb, net): (Process, Qlb, PoolNet), counter: &str, packets: u64) {
    let status = qlb.json(["status", net.pool.id, "-o", "json"]).unwrap();
    let forwarded = status["pools"][0]["counters"][counter].as_u64().unwrap();
    assert!(forwarded > packets, "{forwarded} of {packets}: {status}");
    end(&mut run);
    assert_none(&net);
}
