//! Every type of monitor against real servers: well, failing, slow.

use std::net::TcpListener;

use lb_tests::dns::Dns;
use lb_tests::tcp::Mode;
use lb_tests::topology::{Layout, SSH_POOL, SSH_POOL_V6};
use lb_tests::{SshKeys, Sshd, wait_for};
use nix::sys::signal::Signal;

use crate::bench::{Bench, SOON, server};
use crate::monitor_look::{TURN, health, member, monitor, report, wait_health, wait_info};
use crate::monitor_web::{Certificate, Web};
use crate::pool_file::ROUND_ROBIN;

const FALL: &str = "3 failures, one a second: 2 to 3 s and the last answer";
const RISE: &str = "2 good probes, one a second: 1 to 2 s";

/// The ssh pool with these monitors, and nobody who listens.
fn bench(monitors: &[String]) -> Bench {
    let mut bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    bench.servers.clear();
    bench.pool.fields = vec![format!("monitors: [{}]", monitors.join(", "))];
    bench
}

/// A member from which no answer gets back to the VIP.
fn silence(bench: &Bench, member: usize, silent: bool) {
    let verb = if silent { "add" } else { "del" };
    let vip = format!("{}/32", bench.vip().ip());
    let command = bench.net.members[member].namespace.command("ip");
    command.args(["route", verb, "blackhole", &vip]).stdout().unwrap();
}

/// Fails if the member has ever been down; a single probe may have failed.
fn never_fell(bench: &Bench, id: &str) {
    let check = &member(bench, id)["check"];
    assert_eq!(check["downs"], 0, "{check}");
    wait_health(bench, id, "UP L4OK");
}

fn web(bench: &Bench, member: usize, tls: Option<&Certificate>) -> Web {
    Web::start(&bench.net.members[member].namespace, bench.net.member_socket(member), tls)
}

/// Somebody who accepts connections, in the kernel, and never says a word.
fn mute(bench: &Bench, member: usize) -> TcpListener {
    let at = bench.net.member_socket(member);
    bench.net.members[member].namespace.run(|| TcpListener::bind(at)).unwrap().unwrap()
}

#[test]
fn ssh_servers_are_probed_by_tcp_and_hear_nothing_of_it() {
    let bench = bench(&[monitor("TCP", "")]);
    let keys = SshKeys::generate().unwrap();
    let start = || {
        let member = &bench.net.members[0].namespace;
        Sshd::start(member, "m1", bench.net.member_socket(0), &keys).unwrap()
    };
    let mut sshd = start();
    let _run = bench.run();
    wait_health(&bench, "m1", "UP L4OK");
    wait_health(&bench, "m2", "DOWN L4CON");
    wait_info(&bench, "m2", "Connection refused");
    // The handshake is never completed, so there is no connection to log.
    let log = sshd.process().stderr();
    assert!(!log.contains("onnection from") && !log.contains("onnection closed"), "{log}");
    sshd.process().stop(Signal::SIGTERM, SOON).unwrap();
    report("TCP, sshd ends", wait_health(&bench, "m1", "DOWN L4CON"), FALL);
    let _sshd = start();
    report("TCP, sshd is back", wait_health(&bench, "m1", "UP L4OK"), RISE);
}

#[test]
fn echoes_are_real_and_silence_is_a_timeout() {
    let mut bench = bench(&[monitor("PING", "")]);
    let _run = bench.run();
    wait_health(&bench, "m1", "UP L4OK");
    wait_health(&bench, "m2", "UP L4OK");
    silence(&bench, 0, true);
    report("PING, answers are lost", wait_health(&bench, "m1", "DOWN L4TOUT"), FALL);
    // Though no port is open there.
    never_fell(&bench, "m2");
    silence(&bench, 0, false);
    report("PING, answers are back", wait_health(&bench, "m1", "UP L4OK"), RISE);
    drop(_run);

    bench.pool.fields = vec![format!("monitor: {}", monitor("TCP", ""))];
    let _server = server(&bench.net, 0, Mode::Echo);
    let _run = bench.run();
    wait_health(&bench, "m1", "UP L4OK");
    silence(&bench, 0, true);
    report(
        "TCP, answers are lost",
        wait_health(&bench, "m1", "DOWN L4TOUT"),
        "each takes 1 s; 3 to 4 s",
    );
}

#[test]
fn ipv6_members_are_probed_like_others() {
    let mut bench = Bench::of(&SSH_POOL_V6, &Layout::ONE_ARM, ROUND_ROBIN, &[1, 1]);
    bench.pool.fields =
        vec![format!("monitors: [{}, {}]", monitor("PING", ""), monitor("TCP", ""))];
    let _run = bench.run();
    wait_health(&bench, "m1", "UP L4OK");
    bench.servers.remove(0);
    report("PING and TCP in IPv6, closed", wait_health(&bench, "m1", "DOWN L4CON"), FALL);
    never_fell(&bench, "m2");
}

#[test]
fn pages_are_asked_for_as_the_monitor_says() {
    let more = ", http_method: HEAD, url_path: /health, expected_codes: '200,202-204', \
                http_version: 1.1, domain_name: www.example.com";
    let bench = bench(&[monitor("HTTP", more)]);
    let (first, _mute) = (web(&bench, 0, None), mute(&bench, 1));
    let _run = bench.run();
    wait_health(&bench, "m1", "UP L7OK/204");
    first.wait_log("10.0.0.250 HEAD /health HTTP/1.1 www.example.com 204");
    report(
        "HTTP, says nothing",
        wait_health(&bench, "m2", "DOWN L7TOUT"),
        "the first failure: 0 to 1 s, and 1 s",
    );
    first.is_well(false);
    report("HTTP, 503", wait_health(&bench, "m1", "DOWN L7STS/503"), FALL);
    wait_info(&bench, "m1", "Service Temporarily Unavailable");
    // Flaps: up by two good ones in a row. It lasts a second, in which nobody might look.
    let flapped = || {
        first.is_well(true);
        let rising = || match health(&bench, "m1") {
            found if found == "DOWN 1/2 L7OK/204" || found == "UP L7OK/204" => Ok(found),
            found => Err(found),
        };
        let found = wait_for(rising, SOON, "a good probe").unwrap();
        first.is_well(false);
        wait_health(&bench, "m1", "DOWN L7STS/503");
        if found.starts_with("DOWN") { Ok(()) } else { Err(found) }
    };
    wait_for(flapped, TURN, "one good probe does not suffice").unwrap();
    first.is_well(true);
    report("HTTP, 204", wait_health(&bench, "m1", "UP L7OK/204"), RISE);
    drop((first, _mute));
    let _server = server(&bench.net, 1, Mode::Echo);
    wait_health(&bench, "m2", "DOWN L7RSP");
    // The first may still have met those whom the mute one left.
    wait_info(&bench, "m2", "the answer is not HTTP");
}

#[test]
fn certificates_are_looked_at_only_if_the_monitor_says_so() {
    let mut bench = bench(&[monitor("HTTPS", ", url_path: /health, expected_codes: '204'")]);
    let good = Certificate::for_address(bench.net.member_socket(0).ip(), true);
    let over = Certificate::for_address(bench.net.member_socket(1).ip(), false);
    let webs = (web(&bench, 0, Some(&good)), web(&bench, 1, Some(&over)));
    let run = bench.run();
    wait_health(&bench, "m1", "UP L7OK/204");
    wait_health(&bench, "m2", "UP L7OK/204");
    webs.0.is_well(false);
    report("HTTPS, 503", wait_health(&bench, "m1", "DOWN L7STS/503"), FALL);
    webs.0.is_well(true);
    drop(run);

    let verified = |ca: &Certificate| {
        let ca = ca.path().display().to_string();
        let more =
            format!(", url_path: /health, expected_codes: '204', verify: required, ca_file: {ca}");
        vec![format!("monitor: {}", monitor("HTTPS", &more))]
    };
    bench.pool.fields = verified(&good);
    let run = bench.run();
    wait_health(&bench, "m1", "UP L7OK/204");
    wait_health(&bench, "m2", "DOWN L6RSP");
    drop(run);
    bench.pool.fields = verified(&over);
    let _run = bench.run();
    wait_health(&bench, "m1", "DOWN L6RSP");
    wait_health(&bench, "m2", "DOWN L6RSP");
    wait_info(&bench, "m1", "UnknownIssuer");
    wait_info(&bench, "m2", "xpired");
}

#[test]
fn a_hello_is_enough_to_be_a_tls_server() {
    let bench = bench(&[monitor("TLS-HELLO", "")]);
    let over = Certificate::for_address([192, 0, 2, 1].into(), false);
    let (tls, plain) = (web(&bench, 0, Some(&over)), web(&bench, 1, None));
    let _run = bench.run();
    wait_health(&bench, "m1", "UP L6OK");
    wait_health(&bench, "m2", "DOWN L6RSP");
    wait_info(&bench, "m2", "the answer is not TLS");
    plain.stop();
    wait_health(&bench, "m2", "DOWN L4CON");
    tls.stop();
    let _mute = mute(&bench, 0);
    report(
        "TLS-HELLO, says nothing",
        wait_health(&bench, "m1", "DOWN L6TOUT"),
        "each takes 1 s; 3 to 4 s",
    );
}

#[test]
fn a_dns_server_is_well_as_long_as_no_error_comes_back() {
    let layout = Layout { members: 2, ..Layout::ONE_ARM };
    let mut bench = Bench::of(&SSH_POOL, &layout, ROUND_ROBIN, &[1, 1]);
    bench.pool = bench.pool.udp(53);
    bench.pool.fields = vec![format!("monitor: {}", monitor("UDP-CONNECT", ""))];
    let start = |index: usize| {
        let member = &bench.net.members[index].namespace;
        Dns::start(member, "m", bench.pool.members[index].address).unwrap()
    };
    let (first, _second) = (start(0), start(1));
    let _run = bench.run();
    wait_health(&bench, "m1", "UP L4OK");
    wait_health(&bench, "m2", "UP L4OK");
    drop(first);
    report("UDP-CONNECT, dnsmasq ends", wait_health(&bench, "m1", "DOWN L4CON"), FALL);
    wait_info(&bench, "m1", "Connection refused");
    never_fell(&bench, "m2");
    let _first = start(0);
    report(
        "UDP-CONNECT, dnsmasq is back",
        wait_health(&bench, "m1", "UP L4OK"),
        "2 good probes of 1 s: 2 to 3 s",
    );
}
