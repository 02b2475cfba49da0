//! NAT ports, when there are fewer of them than connections.

use std::fs;
use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Instant;

use lb_tests::counters::Counters;
use lb_tests::{sysctl, wait_for};

use crate::bench::{Bench, SOON};
use crate::pool_file::ROUND_ROBIN;

/// The member closes first, so it keeps TIME_WAIT for a minute; there are 31,744 NAT ports. A
/// SYN that it did not take there would be retransmitted a second later, or answered with RST.
#[test]
fn sixty_thousand_connections_in_a_row_wait_for_nothing() {
    const CONNECTIONS: usize = 60_000;
    let mut bench = Bench::new(ROUND_ROBIN, &[1]);
    bench.servers.clear();
    let (member, address) = (&bench.net.members[0], bench.net.member_socket(0));
    sysctl::set(&member.namespace, "net.ipv4.tcp_max_tw_buckets", "262144").unwrap();
    let listener = member.namespace.run(|| TcpListener::bind(address)).unwrap().unwrap();
    let closer = thread::spawn(move || listener.incoming().take(CONNECTIONS).for_each(drop));
    let _run = bench.run();

    let (client, vip) = (&bench.net.client().namespace, bench.vip());
    let read = || [client, &member.namespace].map(|place| Counters::read(place).unwrap());
    let before = read();
    let start = Instant::now();
    let all = || {
        (0..CONNECTIONS).try_for_each(|_| {
            let mut stream = TcpStream::connect(vip)?;
            stream.set_read_timeout(Some(SOON))?;
            assert_eq!(stream.read(&mut [0])?, 0);
            Ok::<_, std::io::Error>(())
        })
    };
    client.run(all).unwrap().unwrap();
    let took = start.elapsed().as_secs_f64();
    eprintln!("{CONNECTIONS} connections in {took:.1} s, {:.0}/s", CONNECTIONS as f64 / took);
    closer.join().unwrap();

    let after = read();
    let grown = |name: &str| [0, 1].map(|end| after[end].get(name) - before[end].get(name));
    // A machine that stops for a second sends one again; who must wait for a port would do it by the thousand.
    assert!(grown("TcpExtTCPSynRetrans").iter().all(|sent| *sent < 10), "{after:?}");
    assert_eq!(grown("TcpAttemptFails"), [0, 0]);
    assert_eq!(grown("TcpEstabResets"), [0, 0]);
    // A client that is held up sends its FIN twice, and RST when the second one is acknowledged; a member
    // that does not take a SYN is what this is about.
    assert_eq!(grown("TcpOutRsts")[1], 0);
    let connections = CONNECTIONS as i64;
    assert_eq!(
        (grown("TcpActiveOpens")[0], grown("TcpPassiveOpens")[1]),
        (connections, connections)
    );
    assert_eq!(bench.counter("connection_opened"), CONNECTIONS as u64);
    assert_eq!(bench.counter("refuse_no_port"), 0);
    assert!(bench.counter("port_reused") > 20_000, "{}", bench.counter("port_reused"));
    // connect(2) goes round about half of the client's 28,232 ports; each then takes its NAT port again.
    assert!(time_waits(&bench) > 10_000, "{}", time_waits(&bench));

    let ports = bench.qlb.json(["ports", bench.pool.id.as_str(), "-o", "json"]).unwrap();
    let ports = &ports["pools"][0]["members"][0];
    let number = |name: &str| ports[name].as_u64().unwrap();
    assert_eq!(number("available"), 31_744);
    assert!(number("inUse") <= 1 && number("waiting") > 10_000, "{ports}");
    let sum = number("inUse") + number("waiting") + number("quiet") + number("free");
    assert_eq!(sum, number("available"), "{ports}");
}

/// Eight ports on each of two addresses: it is said before they run out, and every one of them serves.
#[test]
fn every_port_of_every_address_serves() {
    let mut bench = Bench::new(ROUND_ROBIN, &[1]);
    let range = "1024 65527";
    sysctl::set(&bench.net.vip.namespace, "net.ipv4.ip_local_port_range", range).unwrap();
    bench.pool.fields.push("snat_addresses: [10.0.0.251]".to_owned());
    let file = bench.write("pool.yaml", std::slice::from_ref(&bench.pool));
    let refused = bench.run_to_end(&["run", "-f", file.to_str().unwrap()]);
    assert_eq!(refused.code, Some(1));
    let device = bench.device().to_owned();
    let missing = format!("the source address 10.0.0.251 (snat_addresses) is not on {device}");
    assert!(refused.stderr.contains(&missing), "{}", refused.stderr);
    assert!(refused.stderr.contains(&format!("ip address add 10.0.0.251/32 dev {device}")));

    bench.in_vip(&format!("ip address add 10.0.0.251/32 dev {device}"));
    let run = bench.run();
    let table = || bench.qlb.command(["ports", bench.pool.id.as_str()]).unwrap();
    let low = bench.hold(12);
    assert!(!bench.qlb.command(["status"]).unwrap().contains("NAT PORTS"));
    let more = bench.hold(1);
    let told = || match run.stderr() {
        text if text.contains("are nearly all taken: 13 of 16") => Ok(()),
        text => Err(text),
    };
    wait_for(told, SOON, "a warning").unwrap();
    let status = bench.qlb.command(["status"]).unwrap();
    assert!(status.contains("NAT PORTS NEARLY ALL TAKEN towards 10.0.0."), "{status}");
    let rest = bench.hold(3);
    assert_eq!(table().matches("  8          8       0        0      0").count(), 2, "{}", table());
    let client = &bench.net.client().namespace;
    let error = client.run(|| TcpStream::connect(bench.vip())).unwrap().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    assert_eq!(bench.counter("refuse_no_port"), 1);
    drop((low, more, rest));
}

/// Connections that the member keeps in TIME_WAIT.
fn time_waits(bench: &Bench) -> usize {
    let read = || fs::read_to_string("/proc/thread-self/net/sockstat");
    let text = bench.net.members[0].namespace.run(read).unwrap().unwrap();
    let mut words = text.split_whitespace().skip_while(|word| *word != "tw");
    words.nth(1).unwrap().parse().unwrap()
}
