//! Traffic through native XDP on a veth: every byte arrives, every checksum is right, every packet is counted once.

use lb_tests::capture::{Capture, assert_no_bad_checksums};
use lb_tests::tcp::{FNV_START, fnv1a, pattern};
use lb_tests::topology::{Layout, LbaasNode, PoolNet, SSH_POOL, WEB_POOL};
use lb_tests::{Nginx, Process, Qlb, SshKeys, Sshd, curl, ethtool, ssh_login};

use crate::bench::{Bench, SOON, end};
use crate::bulk::{corrupt, echo};
use crate::pool_file::{PoolFile, ROUND_ROBIN, yaml};
use crate::traces::assert_none;
use crate::xdp::{XDP, prepare};

/// Payload of a full frame: MTU 1500 less IPv4 and TCP headers with timestamps.
const SEGMENT: u64 = 1448;

/// Sends 20 MB there and back. What comes from the VIP has right checksums at client and member; a packet that they
/// count as corrupt, or that is counted twice or not at all, fails the test. Returns how many packets the XDP
/// program forwarded, and how many were left to TC because of their checksum.
fn oracle(bench: &Bench) -> (u64, u64) {
    const BULK: usize = 20_000_000;
    let (member, client) = (&bench.net.members[0], bench.net.client());
    // Larger ones are put together by GRO, which has summed up every segment before.
    let filter = format!("tcp and src host {} and less 1514", bench.vip().ip());
    let capture = |namespace, device: &str| Capture::start(namespace, device, &filter).unwrap();
    let mut captures =
        [capture(&member.namespace, "eth0"), capture(&client.namespace, &client.plugged().device)];
    let counted = || ["xdp_forwarded", "xdp_pass_partial"].map(|name| bench.counter(name));
    let (before, [forwarded, partial]) = (corrupt(bench), counted());
    let connection = bench.connect();
    assert_eq!(connection.member, "m1");
    echo(&connection, BULK);
    connection.finish().unwrap();
    bench.wait_idle();
    assert_eq!(corrupt(bench), before);
    for capture in &mut captures {
        capture.stop().unwrap();
        assert_no_bad_checksums(&capture.path()).unwrap();
    }
    let status = bench.status();
    let sum = |field: &str| bench.members(field).iter().sum::<u64>();
    let counters = &status["counters"];
    assert_eq!(counters["forward_to_member"], sum("packets_in"), "{status}");
    assert_eq!(counters["forward_to_client"], sum("packets_out"), "{status}");
    for name in ["drop_rewrite", "drop_inconsistent"] {
        assert_eq!(counters[name], 0, "{status}");
    }
    let now = counted();
    (now[0] - forwarded, now[1] - partial)
}

/// A frame for each segment, both ways, at the least.
fn at_least(forwarded: u64) {
    assert!(forwarded > 2 * 20_000_000 / SEGMENT, "{forwarded} packets forwarded by XDP");
}

#[test]
fn every_checksum_is_right_with_offloads_of_the_hosts_on() {
    let bench = Bench::new(ROUND_ROBIN, &[1]);
    prepare(&bench.net);
    let mut run = bench.run_with(&XDP).unwrap();
    let (forwarded, partial) = oracle(&bench);
    at_least(forwarded);
    // One right checksum in 65,535 looks unfinished.
    assert!(partial < forwarded / 1000, "{partial} of {forwarded}");
    end(&mut run);
    assert_none(&bench.net);
}

#[test]
fn every_checksum_is_right_with_offloads_of_the_hosts_off() {
    let bench = Bench::new(ROUND_ROBIN, &[1]);
    bench.net.set_offloads(false).unwrap();
    prepare(&bench.net);
    let mut run = bench.run_with(&XDP).unwrap();
    let (forwarded, _) = oracle(&bench);
    at_least(forwarded);
    end(&mut run);
    assert_none(&bench.net);
}

/// Somebody changes what was right at the start: packets then come without checksums.
#[test]
fn unfinished_checksums_are_left_to_tc() {
    let bench = Bench::new(ROUND_ROBIN, &[1]);
    prepare(&bench.net);
    let mut run = bench.run_with(&XDP).unwrap();
    let peer = bench.net.vip.ports[0].host_name();
    ethtool::set(bench.net.node.bridge().namespace(), peer, &[("tx", true)]).unwrap();
    let before = (corrupt(&bench), bench.counter("xdp_pass_partial"));
    let connection = bench.connect();
    echo(&connection, 20_000_000);
    connection.finish().unwrap();
    bench.wait_idle();
    assert_eq!(corrupt(&bench), before.0);
    let partial = bench.counter("xdp_pass_partial") - before.1;
    at_least(partial);
    assert!(bench.counter("xdp_forwarded") < partial / 100, "{}", bench.status());
    end(&mut run);
    assert_none(&bench.net);
}

fn run(net: &PoolNet, weights: &[u32]) -> (Process, Qlb) {
    prepare(net);
    let qlb = Qlb::find().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pool.yaml");
    std::fs::write(&file, yaml(&[PoolFile::of(net, ROUND_ROBIN, weights)])).unwrap();
    let run = qlb.run(["-f", file.to_str().unwrap(), "--attach", "xdp"]).unwrap();
    (run, qlb)
}

/// Ends it; the XDP program must have forwarded so much.
fn finish(net: &PoolNet, (mut run, qlb): (Process, Qlb), packets: u64) {
    let status = qlb.json(["status", net.pool.id, "-o", "json"]).unwrap();
    let forwarded = status["pools"][0]["counters"]["xdp_forwarded"].as_u64().unwrap();
    assert!(forwarded > packets, "{forwarded} of {packets}: {status}");
    end(&mut run);
    assert_none(net);
}

#[test]
fn ssh_through_native_xdp() {
    let net = LbaasNode::new().unwrap().deploy(&SSH_POOL, &Layout::ONE_ARM).unwrap();
    let keys = SshKeys::generate().unwrap();
    let start = |index: usize| {
        let (host, address) = (&net.members[index], net.member_socket(index));
        Sshd::start(&host.namespace, host.name(), address, &keys).unwrap()
    };
    let _sshd = [start(0), start(1)];
    let running = run(&net, &[1, 1]);
    for member in ["10.0.0.2", "10.0.0.4", "10.0.0.2", "10.0.0.4"] {
        let remote = "echo $QLB_MEMBER $SSH_CONNECTION";
        let answer = ssh_login(&net.client().namespace, net.pool.vip.ip(), &keys, remote).unwrap();
        assert!(answer.starts_with(&format!("member-{member} 10.0.0.250 ")), "{answer}");
    }
    finish(&net, running, 4 * 10);
}

#[test]
fn a_large_file_over_http_through_native_xdp() {
    const SIZE: usize = 100_000_000;
    let net = LbaasNode::new().unwrap().deploy(&WEB_POOL, &Layout::ONE_ARM).unwrap();
    let (member, address) = (&net.members[0], net.member_socket(0));
    let _nginx = Nginx::start(&member.namespace, member.name(), address, SIZE).unwrap();
    let running = run(&net, &[1]);
    let big = curl(&net.client().namespace, &format!("http://{}/big", net.pool.vip), &[]).unwrap();
    assert_eq!(big.header("X-Seen-From"), Some("172.16.100.11"));
    assert_eq!(fnv1a(FNV_START, &big.body), fnv1a(FNV_START, &pattern(SIZE)));
    finish(&net, running, SIZE as u64 / SEGMENT);
}

#[test]
fn iperf3_through_native_xdp() {
    let net = LbaasNode::new().unwrap().deploy(&WEB_POOL, &Layout::ONE_ARM).unwrap();
    let port = net.pool.vip.port().to_string();
    let server =
        net.members[0].namespace.command("iperf3").args(["-s", "--forceflush", "-p", &port]);
    let mut server = Process::spawn(server.env("LC_ALL", "C")).unwrap();
    let listening = |server: &Process| server.stdout().contains("listening on").then_some(());
    server.wait_ready(listening, SOON, "iperf3 listening").unwrap();
    let running = run(&net, &[1]);
    let vip = net.pool.vip.ip().to_string();
    for direction in [[].as_slice(), &["-R"]] {
        let client = net.client().namespace.command("iperf3").args(["-c", &vip, "-p", &port]);
        let text = client.args(["-n", "200M", "--json"]).args(direction).stdout().unwrap();
        let report: serde_json::Value = serde_json::from_str(&text).unwrap();
        let bytes = report["end"]["sum_received"]["bytes"].as_u64().unwrap();
        assert!(bytes >= 190 << 20, "{bytes}");
    }
    finish(&net, running, 2 * (190 << 20) / SEGMENT);
}
