//! Changing members while clients come and go: no client is ever refused for it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use lb_tests::tcp::pattern;

use crate::bench::Bench;
use crate::pool_file::{LEAST_CONNECTIONS, ROUND_ROBIN};

const CLIENTS: usize = 8;
const ROUNDS: usize = 20;

/// What one client opens at the most: all together, there are ports for them in the minute that they keep each.
const ENOUGH: usize = 2_500;

fn change_under_load(method: &'static str) {
    let bench = Bench::new(method, &[1, 1]);
    let _run = bench.run();
    let (served, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let client = || {
        for _ in 0..ENOUGH {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let mut connection = bench.connect();
            connection.exchange(&pattern(100)).unwrap();
            served.fetch_add(1, Ordering::Relaxed);
        }
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        for round in 0..ROUNDS {
            let weight = (1 + round * 37 % 256).to_string();
            bench.member("set", &["m1", "--weight", &weight]);
            bench.member("drain", &["m2"]);
            bench.member("set", &["m2", "--weight", "7"]);
        }
        stop.store(true, Ordering::Relaxed);
        clients.into_iter().for_each(|client| client.join().unwrap());
    });
    bench.wait_idle();
    let status = bench.status();
    let counters = &status["counters"];
    for refused in ["refuse_no_member", "refuse_no_port", "refuse_table_full", "drop_inconsistent"]
    {
        assert_eq!(counters[refused], 0, "{counters}");
    }
    let served = served.into_inner();
    assert!(served > ROUNDS, "{served} connections");
    assert_eq!(status["connections"]["total"], served);
}

#[test]
fn round_robin_members_change_under_load() {
    change_under_load(ROUND_ROBIN);
}

#[test]
fn least_connections_members_change_under_load() {
    change_under_load(LEAST_CONNECTIONS);
}
