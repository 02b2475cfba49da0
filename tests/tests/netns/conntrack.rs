//! Entries of connections: how long they stay and what takes their place.

use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use lb_tests::tcp::{Mode, connect_from, pattern};
use lb_tests::{Error, wait_for, wait_until};

use crate::bench::{Bench, SOON, server};
use crate::pool_file::{LEAST_CONNECTIONS, MemberLine, ROUND_ROBIN};

#[test]
fn an_idle_connection_is_forgotten() {
    let mut bench = Bench::new(LEAST_CONNECTIONS, &[1, 1]);
    bench.pool = bench.pool.timeouts(&[("client", 5_000), ("server", 5_000)]);
    let _run = bench.run();
    let held = bench.hold(4);
    assert_eq!(bench.members("total_connections"), [2, 2]);
    bench.wait_idle();
    wait_until(|| bench.conns().is_empty(), SOON, "entries of idle connections go").unwrap();
    assert_eq!(bench.counter("connection_expired"), 4);
    assert_eq!(bench.counter("connection_closed"), 0);
    drop(held);
    // The late FINs belong to no connection: they must not be counted a second time.
    assert_eq!(bench.sequence(2).len(), 5);
    bench.wait_idle();
    assert_eq!(bench.members("active_connections"), [0, 0]);
}

#[test]
fn a_member_that_is_not_there_leaves_nothing_behind() {
    let mut bench = Bench::new(LEAST_CONNECTIONS, &[1]);
    let nobody = "10.0.0.77:22".parse().unwrap();
    bench.pool.members =
        vec![MemberLine { address: nobody, weight: 1, admin_state_up: true, more: "" }];
    bench.pool = bench.pool.timeouts(&[("connect", 5_000)]);
    let _run = bench.run();
    let attempt = || {
        let to = bench.vip();
        TcpStream::connect_timeout(&to, Duration::from_millis(300)).map(drop).unwrap_err().kind()
    };
    let kind = bench.net.client().namespace.run(attempt).unwrap();
    assert_eq!(kind, ErrorKind::TimedOut);
    assert_eq!(bench.conns()[0]["state"], "OPENING");
    assert_eq!(bench.members("active_connections"), [1]);
    bench.wait_idle();
    wait_until(|| bench.conns().is_empty(), SOON, "embryonic entry goes").unwrap();
    assert_eq!(bench.counter("connection_expired"), 1);
}

#[test]
fn a_client_port_is_used_again_at_once() {
    const TURNS: u64 = 20;
    let mut bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    // The member closes first: the client keeps no TIME_WAIT and may use its port again, with
    // sequence numbers that the member's TIME_WAIT takes for new (RFC 6191).
    bench.servers.clear();
    bench.servers = (0..2).map(|index| server(&bench.net, index, Mode::CloseFirst)).collect();
    let _run = bench.run();
    let client = bench.net.client();
    // In the range of NAT ports and above it.
    for port in [20_000, 40_000] {
        let from = SocketAddr::new(client.address(), port);
        for _ in 0..TURNS {
            // The client's own port is free when the member's last acknowledgement has come.
            let connect = || match connect_from(&client.namespace, Some(from), bench.vip()) {
                Err(Error::Io { source, .. })
                    if [ErrorKind::AddrInUse, ErrorKind::AddrNotAvailable]
                        .contains(&source.kind()) =>
                {
                    Err(source)
                }
                connected => Ok(connected),
            };
            let connection = wait_for(connect, SOON, "a free port").unwrap().unwrap();
            assert_eq!(connection.local, from);
            // Its FIN first, then ours.
            assert_eq!(connection.stream().read(&mut [0]).unwrap(), 0);
        }
    }
    bench.wait_idle();
    assert_eq!(bench.members("total_connections"), [TURNS; 2]);
    assert_eq!(bench.counter("connection_reopened"), 2 * (TURNS - 1));
    assert_eq!(bench.conns().len(), 2);
}

#[test]
fn two_clients_with_the_same_port_are_kept_apart() {
    let layout = lb_tests::topology::Layout { clients: 3, ..lb_tests::topology::Layout::ONE_ARM };
    let bench = Bench::with_layout(&layout, ROUND_ROBIN, &[1]);
    let _run = bench.run();
    let connect = |client: &lb_tests::topology::Host| {
        let from = SocketAddr::new(client.address(), 20_000);
        connect_from(&client.namespace, Some(from), bench.vip()).unwrap()
    };
    let mut held: Vec<_> = bench.net.clients.iter().map(connect).collect();
    assert_eq!(held[0].seen.port(), 20_000, "the first keeps its port");
    assert!(held[1..].iter().all(|connection| connection.seen.port() != 20_000));
    assert_ne!(held[1].seen, held[2].seen);
    for connection in &mut held {
        connection.exchange(&pattern(100_000)).unwrap();
    }
    assert!(bench.counter("port_taken") >= 2);
}
