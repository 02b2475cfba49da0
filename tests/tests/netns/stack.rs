//! The VIP's address belongs to the namespace: all but the pool's connections reach its stack.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};

use lb_tests::tcp::{EchoServer, Mode, connect, pattern};
use lb_tests::wait_for;

use crate::bench::{Bench, SOON, end};
use crate::ping::ping;
use crate::pool_file::ROUND_ROBIN;
use crate::refuse::refused;

fn bench() -> Bench {
    Bench::new(ROUND_ROBIN, &[1, 1])
}

/// Fails unless the counter grows by at least `least` through `body`. What answers it may come after it:
/// the FIN of whoever serves a connection that `body` ends.
fn moves(bench: &Bench, counter: &str, least: u64, body: impl FnOnce()) {
    let before = bench.counter(counter);
    body();
    let moved = || match bench.counter(counter) {
        after if after >= before + least => Ok(()),
        after => Err(after),
    };
    wait_for(moved, SOON, &format!("{counter}: {least} more than {before}")).unwrap();
}

#[test]
fn the_vip_answers_ping_and_arp() {
    let bench = bench();
    let _run = bench.run();
    let (client, vip) = (bench.net.client(), bench.vip().ip());
    let flush = ["neigh", "flush", "all"];
    client.namespace.command("ip").args(flush).stdout().unwrap();
    moves(&bench, "pass_not_tcp", 1, || assert_eq!(ping(client, vip, b"small"), b"small"));
    let neighbours = client.namespace.command("ip").args(["neigh", "show"]).stdout().unwrap();
    let learnt = neighbours.lines().find(|line| line.starts_with(&format!("{vip} "))).unwrap();
    assert!(learnt.contains("fa:16:3e:68:77:37"), "{neighbours}");

    // Fragments are the stack's as well.
    let large = pattern(5_000);
    moves(&bench, "pass_not_tcp", 4, || assert!(ping(client, vip, &large) == large));

    // The namespace asks for a member: the answer is a unicast ARP frame.
    bench.net.vip.namespace.command("ip").args(flush).stdout().unwrap();
    let member = bench.net.members[0].address();
    moves(&bench, "pass_not_ip", 1, || assert_eq!(ping(&bench.net.vip, member, b"x"), b"x"));
}

#[test]
fn other_ports_of_the_vip_belong_to_the_namespace() {
    let bench = bench();
    let _run = bench.run();
    let client = &bench.net.client().namespace;
    let own = SocketAddr::new(bench.vip().ip(), 8022);
    let server = EchoServer::start(&bench.net.vip.namespace, "own", own, Mode::Echo).unwrap();
    moves(&bench, "pass_not_vip", 5, || {
        let mut connection = connect(client, own).unwrap();
        assert_eq!(connection.member, "own");
        assert_eq!(connection.seen, connection.local, "no NAT on the way");
        connection.exchange(&pattern(1_000_000)).unwrap();
    });
    assert_eq!(server.accepted(), 1);
    assert_eq!(bench.status()["connections"]["total"], 0);

    let closed = SocketAddr::new(bench.vip().ip(), 8023);
    moves(&bench, "pass_not_vip", 1, || refused(client, closed));
}

#[test]
fn the_namespaces_own_connections_to_members_work_beside_the_pools() {
    let bench = bench();
    let _run = bench.run();
    let mut held = bench.hold(50);
    let probes: Vec<_> = (0..50)
        .map(|index| {
            let to = bench.net.member_socket(index % 2);
            let mut probe = connect(&bench.net.vip.namespace, to).unwrap();
            assert_eq!(probe.seen.ip(), bench.vip().ip());
            assert_eq!(probe.seen, probe.local, "no NAT on the way");
            probe.exchange(&pattern(10_000)).unwrap();
            probe
        })
        .collect();
    for connection in &mut held {
        connection.exchange(&pattern(10_000)).unwrap();
    }
    // Neither is a connection of the pool, nor shares a port with one.
    assert_eq!(bench.status()["connections"]["active"], 50);
    for probe in &probes {
        let taken = held.iter().filter(|held| held.member == probe.member);
        assert!(taken.into_iter().all(|held| held.seen != probe.seen), "{probe:?}");
    }
    moves(&bench, "pass_not_vip", 50, || drop(probes));
}

#[test]
fn udp_to_the_vip_passes() {
    let bench = bench();
    let _run = bench.run();
    let (vip, client) = (&bench.net.vip.namespace, &bench.net.client().namespace);
    let bound = |to: SocketAddr| {
        let socket = UdpSocket::bind(to).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        socket
    };
    // The pool's own port: UDP has ports of its own.
    let server = vip.run(|| bound(bench.vip())).unwrap();
    let any = SocketAddr::new(bench.net.client().address(), 0);
    let socket = client.run(|| bound(any)).unwrap();
    moves(&bench, "pass_not_vip", 1, || {
        socket.send_to(b"question", bench.vip()).unwrap();
        let mut buffer = [0; 100];
        let (len, from) = server.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..len], from), (b"question".as_slice(), socket.local_addr().unwrap()));
        server.send_to(b"answer", from).unwrap();
        let (len, from) = socket.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..len], from), (b"answer".as_slice(), bench.vip()));
    });
}

#[test]
fn a_segment_of_no_connection_is_reset_by_the_stack() {
    let bench = bench();
    let mut run = bench.run();
    let mut connection = bench.connect();
    // The end of the controller is the end of what it knew.
    end(&mut run);
    let _run = bench.run();
    moves(&bench, "pass_no_connection", 1, || {
        connection.send(b"anybody there?").unwrap();
        let error = std::io::Read::read(&mut connection.stream(), &mut [0]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    });
}
