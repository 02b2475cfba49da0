//! qlb next to a running HAProxy on the same VIP: the old connections are HAProxy's to the end,
//! the new ones are qlb's.

use lb_tests::tcp::pattern;

use crate::bench::{Bench, end};
use crate::haproxy::Haproxy;
use crate::pool_file::LEAST_CONNECTIONS;

#[test]
fn haproxys_connections_continue_while_qlb_serves_the_new_ones() {
    let bench = Bench::new(LEAST_CONNECTIONS, &[1, 1]);
    let haproxy = Haproxy::start(&bench.net.vip.namespace, std::slice::from_ref(&bench.pool));
    let mut old = bench.hold(20);
    let accepted = || -> usize { bench.servers.iter().map(|server| server.accepted()).sum() };
    assert_eq!(accepted(), 20);

    let mut run = bench.run();
    for connection in &mut old {
        connection.exchange(&pattern(100_000)).unwrap();
    }
    let mut new = bench.hold(20);
    for connection in &mut new {
        // HAProxy connects from the namespace's local port range, qlb from below it.
        assert!(connection.seen.port() < 32_768, "{connection:?}");
        connection.exchange(&pattern(100_000)).unwrap();
    }
    assert!(old.iter().all(|connection| connection.seen.port() >= 32_768));
    assert_eq!(bench.status()["connections"]["active"], 20);
    assert_eq!(bench.members("active_connections"), [10, 10]);
    assert!(bench.counter("pass_no_connection") > 0, "HAProxy's segments pass");

    // HAProxy goes, as undeploying kills it: nothing changes for the new connections.
    drop(haproxy);
    for connection in &mut new {
        connection.exchange(&pattern(1_000)).unwrap();
    }
    assert_eq!(bench.sequence(2).len(), 5);
    drop(new);
    bench.wait_idle();

    // And back: without qlb the VIP is HAProxy's again.
    end(&mut run);
    let _haproxy = Haproxy::start(&bench.net.vip.namespace, std::slice::from_ref(&bench.pool));
    assert!(bench.connect().seen.port() >= 32_768);
}
