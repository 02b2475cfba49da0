//! Many short connections at once: none fails, none is forgotten, every byte is counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use lb_tests::counters::Counters;
use lb_tests::tcp::pattern;
use lb_tests::wait_for;

use crate::bench::{Bench, SOON, numbers};
use crate::pool_file::LEAST_CONNECTIONS;

const THREADS: usize = 100;
const EACH: usize = 50;

/// Largest payload of a segment here: MTU 1500 less the headers.
const SEGMENT: u64 = 1460;

#[test]
fn short_connections_are_all_served_counted_and_forgotten() {
    let mut bench = Bench::new(LEAST_CONNECTIONS, &[1, 1]);
    bench.pool = bench.pool.timeouts(&[("time_wait", 1_000)]);
    let _run = bench.run();
    let retransmitted = || -> i64 {
        let net = &bench.net;
        let hosts = [net.client()].into_iter().chain(&net.members);
        hosts.map(|host| Counters::read(&host.namespace).unwrap().get("TcpRetransSegs")).sum()
    };
    let before = retransmitted();

    let (sent, received) = (AtomicU64::new(0), AtomicU64::new(0));
    let one = |len: usize| {
        let mut connection = bench.connect();
        connection.exchange(&pattern(len)).unwrap();
        let greeting = format!("{} {}\n", connection.member, connection.seen).len();
        assert_eq!(connection.finish().unwrap(), b"");
        sent.fetch_add(len as u64, Ordering::Relaxed);
        received.fetch_add((len + greeting) as u64, Ordering::Relaxed);
    };
    thread::scope(|scope| {
        for index in 0..THREADS {
            let one = &one;
            scope.spawn(move || (0..EACH).for_each(|turn| one(1 + index * 7 + turn)));
        }
    });

    bench.wait_idle();
    let status = bench.status();
    let count = (THREADS * EACH) as u64;
    assert_eq!(status["connections"]["total"], count);
    assert_eq!(status["connections"]["active"], 0);
    assert_eq!(numbers(&status, "total_connections").iter().sum::<u64>(), count);
    assert_eq!(status["counters"]["connection_opened"], count);
    assert_eq!(status["counters"]["connection_closed"], count);

    // What a peer sent twice is counted twice; a quiet machine has no such segment.
    let again = u64::try_from(retransmitted() - before).unwrap() * SEGMENT;
    for (field, exact) in [("bytes_in", sent), ("bytes_out", received)] {
        let (exact, counted) = (exact.into_inner(), status[field].as_u64().unwrap());
        assert!((exact..=exact + again).contains(&counted), "{field} {counted}, sent {exact}");
        assert_eq!(numbers(&status, field).iter().sum::<u64>(), counted);
    }

    let empty = || match (bench.conns().len(), &bench.status()["conntrack"]["entries"]) {
        (0, entries) if *entries == 0 => Ok(()),
        (count, entries) => Err(format!("{count} connections, {entries} entries")),
    };
    wait_for(empty, SOON, "conntrack empties").unwrap();
}
