//! Idle connections: both ends are told, and what counts as life.

use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

use lb_tests::tcp::{Connection, pattern};
use lb_tests::topology::{Layout, SSH_POOL, SSH_POOL_V6};
use lb_tests::wait_until;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::{KeepAlive, TcpKeepIdle, TcpKeepInterval};

use crate::bench::{Bench, SOON};
use crate::pool_file::ROUND_ROBIN;
use crate::reset::{assert_one_exact_reset, capture};

/// Longer than the interval of keepalives below.
const TIMEOUTS: [(&str, u32); 2] = [("client", 5_000), ("server", 5_000)];

/// How long the entries of a connection stay that was reset.
const LINGER: Duration = Duration::from_secs(2);

/// Probes the peer as soon and as often as the kernel can, each second (tcp(7)).
fn keep_alive(connection: &Connection) {
    let socket = connection.stream();
    setsockopt(socket, TcpKeepIdle, &1).unwrap();
    setsockopt(socket, TcpKeepInterval, &1).unwrap();
    setsockopt(socket, KeepAlive, &true).unwrap();
}

/// Waits for the end of an idle connection, which must be a RST.
pub(crate) fn wait_reset(connection: &Connection) {
    connection.stream().set_read_timeout(Some(SOON)).unwrap();
    let error = connection.stream().read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
}

#[test]
fn both_ends_of_an_idle_connection_are_reset_whatever_keepalives_say() {
    for pool in [&SSH_POOL, &SSH_POOL_V6] {
        both_ends_are_reset(Bench::of(pool, &Layout::ONE_ARM, ROUND_ROBIN, &[1]));
    }
}

fn both_ends_are_reset(mut bench: Bench) {
    bench.pool = bench.pool.timeouts(&TIMEOUTS);
    let _run = bench.run();
    let mut captures = [bench.net.client(), &bench.net.members[0]].map(|host| capture(host, "tcp"));

    let mut connection = bench.connect();
    keep_alive(&connection);
    let quiet = Instant::now();
    connection.exchange(&pattern(5_000)).unwrap();
    assert_eq!(bench.members("total_connections"), [1]);
    wait_reset(&connection);
    let entries = bench.conns();
    assert!(entries.iter().all(|entry| entry["state"] == "CLOSED"), "{entries:?}");
    let idle = Duration::from_millis(TIMEOUTS[0].1.into());
    assert!(!entries.is_empty() || quiet.elapsed() > idle + LINGER, "gone at once");
    wait_until(|| bench.servers[0].reset() == 1, SOON, "a reset of the member").unwrap();

    assert_eq!(bench.members("active_connections"), [0]);
    assert_eq!(bench.counter("connection_expired"), 1);
    assert_eq!(bench.counter("reset_sent"), 2);
    wait_until(|| bench.conns().is_empty(), SOON, "entries of the connection go").unwrap();
    assert_eq!(bench.counter("reset_sent"), 2);

    let [at_client, at_member] = &mut captures;
    assert_one_exact_reset(at_client, connection.local, bench.vip());
    assert_one_exact_reset(at_member, bench.net.member_socket(0), connection.seen);
}

#[test]
fn keepalives_are_life_if_the_pool_says_so() {
    let mut bench = Bench::new(ROUND_ROBIN, &[1]);
    let timeouts = "timeouts: {client: 5000, server: 5000, keepalive_counts: true}";
    bench.pool.fields = vec![timeouts.into()];
    let _run = bench.run();

    let mut kept = bench.connect();
    keep_alive(&kept);
    // One after the other, each takes at least the timeout.
    for turn in 1..=3 {
        wait_reset(&bench.connect());
        wait_until(|| bench.servers[0].reset() == turn, SOON, "a reset of the member").unwrap();
    }
    assert_eq!(bench.counter("connection_expired"), 3);
    assert_eq!(bench.counter("reset_sent"), 6);
    kept.exchange(&pattern(5_000)).unwrap();
    assert_eq!(bench.members("active_connections"), [1]);
}
